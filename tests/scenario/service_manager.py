# SPDX-License-Identifier: Apache-2.0
"""service_manager.py PIDFILE COMMAND...

What systemd does with a service of Type=notify, Restart=always and FileDescriptorStoreMax: keeps descriptors that are sent with
FDSTORE=1 under their FDNAME until they are removed, and gives them to the next process. Ends when the command ends with 0.
PIDFILE holds "PID DESCRIPTORS", written anew after each change."""
import array
import os
import selectors
import socket
import sys
import tempfile

pidfile, command = sys.argv[1], sys.argv[2:]
folder = tempfile.mkdtemp()
address = os.path.join(folder, "notify")
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(address)
store = {}


def start():
    pid = os.fork()
    if pid != 0:
        return pid
    env = dict(os.environ, NOTIFY_SOCKET=address)
    fds = [os.dup2(fd, 200 + i) for i, fd in enumerate(store.values())]
    for i, fd in enumerate(fds):
        os.dup2(fd, 3 + i, inheritable=True)
        os.close(fd)
    if fds:
        env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(store))
    os.execvpe(command[0], command, env)


def tell(pid):
    with open(pidfile + ".new", "w", encoding="ascii") as f:
        f.write(f"{pid} {len(store)}\n")
    os.rename(pidfile + ".new", pidfile)


def receive():
    size = array.array("i").itemsize
    data, control, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(size))
    fds = array.array("i")
    for level, kind, payload in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[:len(payload) // size * size])
    fields = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
    name = fields.get("FDNAME", "")
    if fields.get("FDSTORE") == "1" and fds and name not in store:
        store[name] = fds[0]
    elif fields.get("FDSTOREREMOVE") == "1" and name in store:
        os.close(store.pop(name))


pid = start()
tell(pid)
selector = selectors.DefaultSelector()
selector.register(notify, selectors.EVENT_READ)
while True:
    if selector.select(0.05):
        receive()
        tell(pid)
        continue
    gone, status = os.waitpid(pid, os.WNOHANG)
    if gone and status == 0:
        break
    if gone:
        pid = start()
        tell(pid)
os.unlink(address)
os.rmdir(folder)
