"""How strace names the flags and commands of calls on memory and System V IPC (include/uapi/linux)."""

from __future__ import annotations

from collections.abc import Mapping

from toykernel.observe.decoding.names import Names, names

#: Words of bits.
FLAGS: Mapping[str, Names] = {
    "prot": names(
        "PROT_???",
        """PROT_NONE=0 PROT_READ=1 PROT_WRITE=2 PROT_EXEC=4 PROT_SEM=8 PROT_GROWSDOWN=0x1000000
        PROT_GROWSUP=0x2000000""",
    ),
    "mmap_more": names(
        "",
        """MAP_SHARED=1 MAP_PRIVATE=2 MAP_SHARED_VALIDATE=3 MAP_FIXED=0x10 MAP_ANONYMOUS=0x20
        MAP_32BIT=0x40 MAP_NORESERVE=0x4000 MAP_POPULATE=0x8000 MAP_NONBLOCK=0x10000
        MAP_GROWSDOWN=0x100 MAP_DENYWRITE=0x800 MAP_EXECUTABLE=0x1000 MAP_FILE=0
        MAP_LOCKED=0x2000 MAP_STACK=0x20000 MAP_HUGETLB=0x40000 MAP_SYNC=0x80000
        MAP_UNINITIALIZED=0x4000000 MAP_FIXED_NOREPLACE=0x100000""",
    ),
    "mremap_flags": names(
        "MREMAP_???",
        """MREMAP_MAYMOVE=1 MREMAP_FIXED=2 MREMAP_DONTUNMAP=4""",
    ),
    "msync_flags": names("MS_???", "MS_SYNC=4 MS_ASYNC=1 MS_INVALIDATE=2"),
    "mlockall_flags": names("MCL_???", "MCL_CURRENT=1 MCL_FUTURE=2 MCL_ONFAULT=4"),
    "mlock2_flags": names("MLOCK_???", "MLOCK_ONFAULT=1"),
    "mbind_flags": names("MPOL_???", "MPOL_MF_STRICT=1 MPOL_MF_MOVE=2 MPOL_MF_MOVE_ALL=4"),
    "get_mempolicy_flags": names(
        "MPOL_???",
        """MPOL_F_NODE=1 MPOL_F_ADDR=2 MPOL_F_MEMS_ALLOWED=4""",
    ),
    "move_pages_flags": names("MPOL_???", "MPOL_MF_MOVE=2 MPOL_MF_MOVE_ALL=4"),
    "mpol_mode_flags": names(
        "MPOL_???",
        """MPOL_F_STATIC_NODES=0x8000 MPOL_F_RELATIVE_NODES=0x4000 MPOL_F_NUMA_BALANCING=0x2000""",
    ),
    "pkey_access": names(
        "PKEY_???",
        """PKEY_DISABLE_ACCESS=1 PKEY_DISABLE_WRITE=2 PKEY_DISABLE_EXECUTE=4""",
    ),
    "memfd_flags": names("MFD_???", "MFD_CLOEXEC=1 MFD_ALLOW_SEALING=2 MFD_HUGETLB=4"),
    "memfd_secret_flags": names("", "O_CLOEXEC=0x80000"),
    "shm_resource_flags": names(
        "",
        """IPC_CREAT=0x200 IPC_EXCL=0x400 SHM_HUGETLB=0x800 SHM_NORESERVE=0x1000""",
    ),
    "resource_flags": names("", "IPC_CREAT=0x200 IPC_EXCL=0x400 IPC_NOWAIT=0x800"),
    "shm_flags": names(
        "SHM_???",
        """SHM_RDONLY=0x1000 SHM_RND=0x2000 SHM_REMAP=0x4000 SHM_EXEC=0x8000""",
    ),
    "ipc_msg_flags": names(
        "MSG_???",
        """MSG_NOERROR=0x1000 MSG_EXCEPT=0x2000 MSG_COPY=0x4000 IPC_NOWAIT=0x800""",
    ),
    "semop_flags": names("SEM_???", "SEM_UNDO=0x1000 IPC_NOWAIT=0x800"),
    "uffd_flags": names(
        "UFFD_???",
        """UFFD_USER_MODE_ONLY=1 O_NONBLOCK=0x800 O_CLOEXEC=0x80000""",
    ),
}

#: Words that are one of several.
VALUES: Mapping[str, Names] = {
    "madvice": names(
        "MADV_???",
        """MADV_NORMAL=0 MADV_RANDOM=1 MADV_SEQUENTIAL=2 MADV_WILLNEED=3 MADV_DONTNEED=4
        MADV_FREE=8 MADV_REMOVE=9 MADV_DONTFORK=0xa MADV_DOFORK=0xb MADV_MERGEABLE=0xc
        MADV_UNMERGEABLE=0xd MADV_HUGEPAGE=0xe MADV_NOHUGEPAGE=0xf MADV_DONTDUMP=0x10
        MADV_DODUMP=0x11 MADV_WIPEONFORK=0x12 MADV_KEEPONFORK=0x13 MADV_COLD=0x14
        MADV_PAGEOUT=0x15 MADV_POPULATE_READ=0x16 MADV_POPULATE_WRITE=0x17
        MADV_DONTNEED_LOCKED=0x18 MADV_COLLAPSE=0x19 MADV_HWPOISON=0x64 MADV_SOFT_OFFLINE=0x65""",
    ),
    "mpol_modes": names(
        "MPOL_???",
        """MPOL_DEFAULT=0 MPOL_PREFERRED=1 MPOL_BIND=2 MPOL_INTERLEAVE=3 MPOL_LOCAL=4
        MPOL_PREFERRED_MANY=5""",
    ),
    "msgctl": names(
        "MSG_???",
        """IPC_RMID=0 IPC_SET=1 IPC_STAT=2 IPC_INFO=3 MSG_STAT=0xb MSG_INFO=0xc MSG_STAT_ANY=0xd""",
    ),
    "semctl": names(
        "SEM_???",
        """IPC_RMID=0 IPC_SET=1 IPC_STAT=2 IPC_INFO=3 GETPID=0xb GETVAL=0xc GETALL=0xd GETNCNT=0xe
        GETZCNT=0xf SETVAL=0x10 SETALL=0x11 SEM_STAT=0x12 SEM_INFO=0x13 SEM_STAT_ANY=0x14""",
    ),
    "shmctl": names(
        "SHM_???",
        """IPC_RMID=0 IPC_SET=1 IPC_STAT=2 IPC_INFO=3 SHM_LOCK=0xb SHM_UNLOCK=0xc SHM_STAT=0xd
        SHM_INFO=0xe SHM_STAT_ANY=0xf""",
    ),
    "ipccalls": names(
        "IPC_???",
        """SEMOP=1 SEMGET=2 SEMCTL=3 SEMTIMEDOP=4 MSGSND=0xb MSGRCV=0xc MSGGET=0xd MSGCTL=0xe
        SHMAT=0x15 SHMDT=0x16 SHMGET=0x17 SHMCTL=0x18""",
    ),
}
