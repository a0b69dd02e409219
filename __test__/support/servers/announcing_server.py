"""A server that claims a host key it does not hold: it announces its own and another one's, and proves both with its own.

Arguments: host key file, authorized keys file, and two that are ignored. The other's public key is beside the host key, as
`claimed.pub`. The user's name is what happens to the proof: "refused", "short" (a signature is missing), "wrong" (by its own
key). Prints the port it listens on; complains about each proof it was asked for.
"""
import base64
import os
import socket
import sys
import threading

import paramiko

HOST_KEY, AUTHORIZED_KEYS = sys.argv[1:3]
CLAIMED = os.path.join(os.path.dirname(HOST_KEY), "claimed.pub")
KEYS = {line.split()[1] for line in open(AUTHORIZED_KEYS) if line.strip()}
ANNOUNCE, PROVE = "hostkeys-00@openssh.com", "hostkeys-prove-00@openssh.com"


class Server(paramiko.ServerInterface):
    def __init__(self, transport, key):
        self.transport = transport
        self.key = key
        self.how = "wrong"

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        self.how = username
        return paramiko.AUTH_SUCCESSFUL if key.get_base64() in KEYS else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        threading.Thread(target=self.run, args=(channel,), daemon=True).start()
        return True

    def run(self, channel):
        with open(CLAIMED) as file:
            claimed = base64.b64decode(file.read().split()[1])
        self.transport.global_request(ANNOUNCE, [self.key.asbytes(), claimed], wait=False)
        channel.send_exit_status(0)
        channel.close()

    def check_global_request(self, kind, message):
        if kind != PROVE:
            return False
        blobs = []
        while message.get_remainder():
            blobs.append(message.get_string())
        print(f"asked to prove {len(blobs)} as {self.how}", file=sys.stderr, flush=True)
        if self.how == "refused":
            return False
        return tuple(self.sign(blob) for blob in (blobs[:-1] if self.how == "short" else blobs))

    def sign(self, blob):
        signed = paramiko.Message()
        for part in (PROVE.encode(), self.transport.session_id, blob):
            signed.add_string(part)
        return self.key.sign_ssh_data(signed.asbytes()).asbytes()


def accept(client):
    transport = paramiko.Transport(client)
    key = paramiko.PKey.from_path(HOST_KEY)
    transport.add_server_key(key)
    channels = []
    try:
        transport.start_server(server=Server(transport, key))
        while transport.is_active():
            channels.append(transport.accept(1))
    except (paramiko.SSHException, EOFError, OSError):
        transport.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=10)
    print(listener.getsockname()[1], flush=True)
    # Ends with our stdin, however the test ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        client, _ = listener.accept()
        threading.Thread(target=accept, args=(client,), daemon=True).start()


main()
