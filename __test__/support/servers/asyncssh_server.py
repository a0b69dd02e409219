"""An asyncssh server on loopback: real commands, SFTP and forwards, for one user with a key or a password.

Arguments: host key file, authorized keys file, user, password. Prints the port it listens on.
"""
import asyncio
import os
import signal
import sys

import asyncssh

HOST_KEY, AUTHORIZED_KEYS, USER, PASSWORD = sys.argv[1:5]


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return username == USER and password == PASSWORD

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True

    def server_requested(self, listen_host, listen_port):
        return True

    def unix_connection_requested(self, dest_path):
        return True

    def unix_server_requested(self, listen_path):
        return True


async def feed(process, child):
    """Client to command: bytes, end of input, signals."""
    while True:
        try:
            data = await process.stdin.read(65536)
        except asyncssh.SignalReceived as received:
            kill(child, received.signal)
            continue
        except (asyncssh.TerminalSizeChanged, asyncssh.BreakReceived):
            continue
        if not data:
            child.stdin.close()
            return
        child.stdin.write(data)
        try:
            await child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return


async def listen(process, child):
    """Signals that come after the end of input."""
    while not process.is_closing():
        try:
            await process.stdin.read(1)
            await asyncio.sleep(0.01)
        except asyncssh.SignalReceived as received:
            kill(child, received.signal)
        except (asyncssh.TerminalSizeChanged, asyncssh.BreakReceived):
            pass


async def pour(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


def kill(child, name):
    try:
        os.killpg(child.pid, getattr(signal, "SIG" + name))
    except ProcessLookupError:
        pass


async def serve(process):
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", process.command or "exit 1", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True, cwd="/tmp")

    async def listen_to_the_end():
        await feed(process, child)
        await listen(process, child)

    feeding = asyncio.create_task(listen_to_the_end())
    leaving = asyncio.create_task(process.channel.wait_closed())
    leaving.add_done_callback(lambda _: kill(child, "KILL"))
    try:
        await asyncio.gather(pour(child.stdout, process.stdout), pour(child.stderr, process.stderr))
        status = await child.wait()
    except (asyncssh.Error, BrokenPipeError, ConnectionResetError):
        kill(child, "KILL")
        return
    finally:
        feeding.cancel()
    if status < 0:
        process.exit_with_signal(signal.Signals(-status).name[3:])
    else:
        process.exit(status)


async def main():
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=[HOST_KEY], authorized_client_keys=AUTHORIZED_KEYS,
        process_factory=serve, sftp_factory=True, allow_scp=False, encoding=None)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with our stdin, however the test ends.
    await asyncio.get_event_loop().run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
