"""A paramiko server on loopback: real commands, SFTP and forwards both ways, for one user with a key or a password.

Arguments: host key file, authorized keys file, user, password. Prints the port it listens on.
"""
import os
import select
import signal
import socket
import subprocess
import sys
import threading

import paramiko

HOST_KEY, AUTHORIZED_KEYS, USER, PASSWORD = sys.argv[1:5]
KEYS = {line.split()[1] for line in open(AUTHORIZED_KEYS) if line.strip()}


class Server(paramiko.ServerInterface):
    def __init__(self, transport):
        self.transport = transport
        # Sockets of forwarded connections, by their channel; listeners, by their port.
        self.reached = {}
        self.listeners = {}

    def get_allowed_auths(self, username):
        return "publickey,password"

    def check_auth_password(self, username, password):
        good = username == USER and password == PASSWORD
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        good = username == USER and key.get_base64() in KEYS
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel, command):
        child = subprocess.Popen(
            ["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, cwd="/tmp")
        threading.Thread(target=run, args=(channel, child), daemon=True).start()
        return True

    def check_channel_direct_tcpip_request(self, chanid, origin, destination):
        try:
            self.reached[chanid] = socket.create_connection(destination, 10)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        return paramiko.OPEN_SUCCEEDED

    def check_port_forward_request(self, address, port):
        try:
            listener = socket.create_server((address or "127.0.0.1", port), backlog=100)
        except OSError:
            return False
        port = listener.getsockname()[1]
        self.listeners[port] = listener
        threading.Thread(target=self.listen, args=(listener, (address, port)), daemon=True).start()
        return port

    def cancel_port_forward_request(self, address, port):
        listener = self.listeners.pop(port, None)
        if listener:
            # Alone, close() leaves an accept() that waits undisturbed.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def listen(self, listener, at):
        while True:
            try:
                client, origin = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.forward, args=(client, origin, at), daemon=True).start()

    def forward(self, client, origin, at):
        try:
            channel = self.transport.open_forwarded_tcpip_channel(origin, at)
        except (paramiko.SSHException, EOFError):
            client.close()
            return
        relay(channel, client)


def run(channel, child):
    """paramiko tells servers of no signals: a client that wants the command gone closes the channel."""
    threads = [
        threading.Thread(target=pour, args=(child.stdout, channel.sendall), daemon=True),
        threading.Thread(target=pour, args=(child.stderr, channel.sendall_stderr), daemon=True),
    ]
    threading.Thread(target=feed, args=(channel, child), daemon=True).start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = child.wait()
    try:
        if status < 0:
            message = paramiko.Message()
            message.add_byte(b"\x62")
            message.add_int(channel.remote_chanid)
            message.add_string("exit-signal")
            message.add_boolean(False)
            message.add_string(signal.Signals(-status).name[3:])
            message.add_boolean(False)
            message.add_string("")
            message.add_string("")
            channel.transport._send_user_message(message)
        else:
            channel.send_exit_status(status)
        channel.close()
    except (OSError, EOFError):
        pass


def pour(source, send):
    try:
        while data := source.read1(32768):
            send(data)
    except OSError:
        pass


def feed(channel, child):
    try:
        while data := channel.recv(32768):
            child.stdin.write(data)
            child.stdin.flush()
        child.stdin.close()
    except OSError:
        pass
    # Until the channel is closed by either side.
    while not channel.closed and child.poll() is None:
        select.select([], [], [], 0.02)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)


class Files(paramiko.SFTPServerInterface):
    """The plain file system."""

    def guarded(self, work):
        try:
            return work()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def list_folder(self, path):
        def work():
            entries = []
            for name in os.listdir(path):
                entry = paramiko.SFTPAttributes.from_stat(os.lstat(os.path.join(path, name)))
                entry.filename = name
                entries.append(entry)
            return entries
        return self.guarded(work)

    def stat(self, path):
        return self.guarded(lambda: paramiko.SFTPAttributes.from_stat(os.stat(path)))

    def lstat(self, path):
        return self.guarded(lambda: paramiko.SFTPAttributes.from_stat(os.lstat(path)))

    def open(self, path, flags, attr):
        def work():
            mode = attr.st_mode if attr.st_mode is not None else 0o666
            descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), mode)
            kind = "ab" if flags & os.O_APPEND else "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb"
            file = os.fdopen(descriptor, kind)
            handle = Handle(flags)
            handle.filename = path
            handle.readfile = file
            handle.writefile = file
            return handle
        return self.guarded(work)

    def done(self, work):
        return self.guarded(lambda: work() or paramiko.SFTP_OK)

    def remove(self, path):
        return self.done(lambda: os.remove(path))

    def rename(self, old, new):
        if os.path.exists(new):
            return paramiko.SFTP_FAILURE
        return self.done(lambda: os.rename(old, new))

    def posix_rename(self, old, new):
        return self.done(lambda: os.rename(old, new))

    def mkdir(self, path, attr):
        return self.done(lambda: os.mkdir(path, 0o777 if attr.st_mode is None else attr.st_mode))

    def rmdir(self, path):
        return self.done(lambda: os.rmdir(path))

    def chattr(self, path, attr):
        return self.done(lambda: paramiko.SFTPServer.set_file_attr(path, attr))

    def symlink(self, target, path):
        return self.done(lambda: os.symlink(target, path))

    def readlink(self, path):
        return self.guarded(lambda: os.readlink(path))

    def canonicalize(self, path):
        return os.path.realpath(path if os.path.isabs(path) else os.path.join("/tmp", path))


class Handle(paramiko.SFTPHandle):
    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attr):
        paramiko.SFTPServer.set_file_attr(self.filename, attr)
        return paramiko.SFTP_OK


def relay(channel, other):
    """Both ways, each until its own end."""
    def back():
        carry(other.recv, channel.sendall)
        channel.shutdown_write()

    answering = threading.Thread(target=back, daemon=True)
    answering.start()
    carry(channel.recv, other.sendall)
    try:
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    answering.join()
    channel.close()
    other.close()


def carry(receive, send):
    try:
        while data := receive(32768):
            send(data)
    except OSError:
        pass


def accept(client):
    transport = paramiko.Transport(client)
    transport.add_server_key(paramiko.PKey.from_path(HOST_KEY))
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
    server = Server(transport)
    # paramiko closes a channel that nobody holds, and one may be open for a while before a command comes.
    channels = []
    try:
        transport.start_server(server=server)
        while transport.is_active():
            channel = transport.accept(1)
            channels = [held for held in channels if not held.closed] + ([channel] if channel else [])
            other = channel and server.reached.pop(channel.chanid, None)
            if other:
                threading.Thread(target=relay, args=(channel, other), daemon=True).start()
    except (paramiko.SSHException, EOFError, OSError):
        transport.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    print(listener.getsockname()[1], flush=True)
    # Ends with our stdin, however the test ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=accept, args=(client,), daemon=True).start()


main()
