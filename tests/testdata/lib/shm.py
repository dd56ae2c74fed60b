# Python's SharedMemory and a file of the tree are one object, made on either side.
import os
from multiprocessing import shared_memory

mnt = os.environ["MNT"] + "/shm/"
a = shared_memory.SharedMemory(name="py", create=True, size=4096)
a.buf[:5] = b"hello"
with open(mnt + "py", "r+b") as f:
    assert f.read(5) == b"hello"
    f.seek(10)
    f.write(b"mount")
assert bytes(a.buf[10:15]) == b"mount", bytes(a.buf[:20])
a.close()
a.unlink()
assert not os.path.exists(mnt + "py")

with open(mnt + "here", "xb") as f:
    f.truncate(4096)
    f.write(b"made here")
b = shared_memory.SharedMemory(name="here")
assert bytes(b.buf[:9]) == b"made here"
b.close()
b.unlink()
assert not os.path.exists(mnt + "here")
