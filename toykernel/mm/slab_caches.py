"""The slab caches of the kernel, in one table: name, size of an object, alignment, and who uses it."""

from __future__ import annotations

from collections.abc import Iterator

from toykernel.mm.slab import KmemCache


class SlabCaches:
    """Every cache; sizes in bytes, as on i386 or rounded. In the order of the OOM report."""

    def __init__(self) -> None:
        self.task_struct = KmemCache("task_struct", 1024)  # fork: a task
        self.signal = KmemCache("signal_struct", 512)  # fork: a thread group
        self.sighand = KmemCache("sighand_struct", 1312)  # fork, exec: handlers
        self.files = KmemCache("files_struct", 224)  # fork: a table of descriptors
        self.filp = KmemCache("filp", 128)  # open, pipe: an open file
        self.fs = KmemCache("fs_struct", 32)  # fork: root, working directory, umask
        self.cred = KmemCache("cred", 128)  # fork, set*id: credentials
        self.uid = KmemCache("user_struct", 64)  # set*id: what is counted by user
        self.user_ns = KmemCache("user_namespace", 64)  # clone: a namespace of users
        self.nsproxy = KmemCache("nsproxy", 32)  # clone, unshare: a set of namespaces
        self.uts_ns = KmemCache("uts_namespace", 400)  # and each kind of them
        self.ipc_ns = KmemCache("ipc_namespace", 256)
        self.mnt_ns = KmemCache("mnt_namespace", 64)
        self.net_ns = KmemCache("net_namespace", 128)
        self.pid_ns = KmemCache("pid_namespace", 128)
        self.pid = KmemCache("pid", 48)  # fork: a number
        self.ioc = KmemCache("io_context", 64)  # ioprio_set, fork: I/O priority
        self.sem = KmemCache("sem_array", 128)  # semget: a set
        self.msg_queue = KmemCache("msg_queue", 128)  # msgget: a queue
        self.msg_msg = KmemCache("msg_msg", 32)  # msgsnd: a message
        self.mqueue = KmemCache("mqueue_inode_cache", 256)  # mq_open: a queue
        self.shm = KmemCache("shmid_kernel", 128)  # shmget: a segment
        self.sem_undo_list = KmemCache("sem_undo_list", 32)  # semop: SEM_UNDO
        self.pipe = KmemCache("pipe_inode_info", 96)  # pipe
        self.eventfd = KmemCache("eventfd_ctx", 48)  # eventfd
        self.timerfd = KmemCache("timerfd_ctx", 128)  # timerfd_create
        self.signalfd = KmemCache("signalfd_ctx", 16)  # signalfd
        self.userfaultfd = KmemCache("userfaultfd_ctx_cache", 176)  # userfaultfd
        self.inotify = KmemCache("fsnotify_group", 128)  # inotify_init: a queue of events
        self.inotify_mark = KmemCache("inotify_inode_mark", 64)  # inotify_add_watch
        self.dnotify = KmemCache("dnotify_struct", 32)  # fcntl: F_NOTIFY
        self.kioctx = KmemCache("kioctx", 128)  # io_setup: a context
        self.eventpoll = KmemCache("eventpoll", 128)  # epoll_create
        self.aio_kiocb = KmemCache("aio_kiocb", 128)  # io_submit: a request
        self.epi = KmemCache("eventpoll_epi", 96)  # epoll_ctl: a file that is watched
        self.tty = KmemCache("tty_struct", 704)  # open of ptmx: either end
        self.unix_sock = KmemCache("unix_sock", 512)  # socket: one, or an end of a connection
        self.skb = KmemCache("skbuff_head_cache", 192)  # send: a message
        self.file_lock = KmemCache("file_lock_cache", 112)  # fcntl, flock: a lock that is held
        self.file_lease = KmemCache("file_lease_cache", 112)  # F_SETLEASE
        self.fasync = KmemCache("fasync_cache", 40)  # O_ASYNC
        self.mnt = KmemCache("mnt_cache", 128)  # mount: one
        self.fs_context = KmemCache("fs_context", 96)  # fsopen, fspick: parameters
        self.key = KmemCache("key_jar", 128)  # add_key: a key or a keyring
        self.seccomp = KmemCache("seccomp_filter", 32)  # seccomp: a filter
        self.landlock = KmemCache("landlock_ruleset", 128)  # a ruleset, and each layer in force
        self.mm = KmemCache("mm_struct", 448)  # fork, exec: an address space
        self.vm_area = KmemCache("vm_area_struct", 88, 8)  # mmap, fork, exec: an area
        self.fpu = KmemCache("fpu", 512)  # first use, fork: FPU registers

    def __len__(self) -> int:
        return len(vars(self))

    def __iter__(self) -> Iterator[KmemCache]:
        """Each cache, in the table's order."""
        caches: dict[str, KmemCache] = vars(self)
        return iter(caches.values())
