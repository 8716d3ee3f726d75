#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox_priv.h"

/*
 * What libuv, OpenSSL, SQLite, the resolver and libc need to serve clients.  A
 * call that is missing here gets ENOSYS, the answer of a kernel that is too
 * old for it: every library has another way then, while EPERM is a failure to
 * it, and being killed an outage after an update of libc.
 */
static const int allowed[] = {
	/* descriptors */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv),
	SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(_llseek),
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup),
	SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
	SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
	/* files; which ones is for Landlock and for modes */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(stat64),
	SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(lstat),
	SCMP_SYS(lstat64), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64),
	SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
	SCMP_SYS(getdents64), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(fallocate),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(flock),
	SCMP_SYS(fchmod), SCMP_SYS(umask),
	/* As root, SQLite gives its files to the owner of the database. */
	SCMP_SYS(fchown), SCMP_SYS(fchown32),
	/* connections */
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(send),
	SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(recv), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	/* waiting */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(select),
	SCMP_SYS(_newselect), SCMP_SYS(pselect6), SCMP_SYS(pselect6_time64),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(restart_syscall),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* threads and signals */
	SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(futex_waitv),
	SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(membarrier),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getcpu), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* who it is, what there is, what time it is */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid),
	SCMP_SYS(getuid), SCMP_SYS(getuid32), SCMP_SYS(geteuid),
	SCMP_SYS(geteuid32), SCMP_SYS(getgid), SCMP_SYS(getgid32),
	SCMP_SYS(getegid), SCMP_SYS(getegid32), SCMP_SYS(getresuid),
	SCMP_SYS(getresuid32), SCMP_SYS(getresgid), SCMP_SYS(getresgid32),
	SCMP_SYS(getrlimit), SCMP_SYS(ugetrlimit), SCMP_SYS(getrusage),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(times),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_getres), SCMP_SYS(clock_getres_time64),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
#ifdef PB_SANITIZED
	/* The leak checker stops the threads and looks into their memory. */
	SCMP_SYS(clone), SCMP_SYS(wait4), SCMP_SYS(ptrace), SCMP_SYS(kill),
	SCMP_SYS(tkill), SCMP_SYS(tgkill), SCMP_SYS(prctl),
	SCMP_SYS(mprotect), SCMP_SYS(mmap), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(personality), SCMP_SYS(mincore), SCMP_SYS(getdents),
#endif
};

/* No library tries them and could do without: it is an attack. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat),
#ifndef PB_SANITIZED
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(mount), SCMP_SYS(move_mount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(keyctl), SCMP_SYS(reboot), SCMP_SYS(swapon),
	SCMP_SYS(acct), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex), SCMP_SYS(setuid), SCMP_SYS(setgid),
	SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups),
	SCMP_SYS(capset),
};

/*
 * Allowed only when `value` are the bits of an argument that `mask` has;
 * several rows of a call are "or".
 */
struct with {
	int call;
	unsigned n;
	struct scmp_arg_cmp argument[2];
};

/* Of an int in a register nothing is said about the upper half. */
#define INT 0xffffffff
/* The kernel's, for the kind of a socket without its flags. */
#define SOCKET_TYPES 0xf

#define BITS(number, mask, value) \
	{ (number), SCMP_CMP_MASKED_EQ, (mask), (value) }
#define SOCKET(family, type) { SCMP_SYS(socket), 2, \
	{ BITS(0, INT, family), BITS(1, SOCKET_TYPES, type) } }
#define SOCKETS(family) SOCKET(family, SOCK_STREAM), \
	SOCKET(family, SOCK_DGRAM)
#define IOCTL(request) { SCMP_SYS(ioctl), 1, { BITS(1, INT, request) } }
#define MEMORY(call, without) { SCMP_SYS(call), 1, { BITS(2, without, 0) } }
#define PRCTL(option) { SCMP_SYS(prctl), 1, { BITS(0, INT, option) } }

static const struct with conditional[] = {
	SOCKETS(AF_INET), SOCKETS(AF_INET6), SOCKETS(AF_UNIX),
	/* The resolver asks which addresses this machine has. */
	{ SCMP_SYS(socket), 2, { BITS(0, INT, AF_NETLINK),
	    BITS(2, INT, NETLINK_ROUTE) } },
	{ SCMP_SYS(socketpair), 1, { BITS(0, INT, AF_UNIX) } },
	IOCTL(FIONBIO), IOCTL(FIOCLEX), IOCTL(FIONREAD), IOCTL(TCGETS),
#ifndef PB_SANITIZED
	/* Not executable, or not writable: a library that is loaded. */
	MEMORY(mmap, PROT_EXEC), MEMORY(mmap, PROT_WRITE),
	MEMORY(mmap2, PROT_EXEC), MEMORY(mmap2, PROT_WRITE),
	MEMORY(mprotect, PROT_EXEC),
	/* Threads, and no processes.  clone3 hides which, so it is refused. */
	{ SCMP_SYS(clone), 1, { BITS(0, CLONE_THREAD, CLONE_THREAD) } },
	PRCTL(PR_SET_NAME), PRCTL(PR_SET_VMA),
#endif
	/* To ask for limits, not to change them. */
	{ SCMP_SYS(prlimit64), 1, { { 2, SCMP_CMP_EQ, 0, 0 } } },
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* A call that this processor, or this libseccomp, does not have is none. */
static int
add(scmp_filter_ctx filter, uint32_t action, int call, unsigned n,
    const struct scmp_arg_cmp *arguments)
{
	int r;

	if (call == __NR_SCMP_ERROR)
		return 0;
	r = seccomp_rule_add_array(filter, action, call, n, arguments);
	return r == -EDOM ? 0 : r;
}

static int
fill(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp own = BITS(0, INT, (unsigned)getpid());
	int r = 0;
	size_t i;

	for (i = 0; r == 0 && i < COUNT(allowed); i++)
		r = add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
	for (i = 0; r == 0 && i < COUNT(conditional); i++)
		r = add(filter, SCMP_ACT_ALLOW, conditional[i].call,
		    conditional[i].n, conditional[i].argument);
	for (i = 0; r == 0 && i < COUNT(deadly); i++)
		r = add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
#ifndef PB_SANITIZED
	/* abort() ends this process, and no other. */
	if (r == 0)
		r = add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
#else
	(void)own;
#endif
	return r;
}

int
pb_sandbox_filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (filter == NULL)
		return ENOMEM;
	/* The kernel's log says what was refused, where it can. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	/* Sorted by number, so that a call takes few steps. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	r = fill(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return -r;
}
