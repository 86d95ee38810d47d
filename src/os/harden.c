/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/harden.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "longship/base/check.h"

/*
 * Two walls. Landlock knows files: it forbids writing and executing but below the named directories; loading a
 * library is reading and mmap, which it does not concern. Seccomp knows calls. Its filter is a list of what is
 * refused rather than of what is allowed: libc, curl, GnuTLS and the NSS modules of a host need other calls with
 * every version, and one that is missing from a list of allowed ones shows as a name that does not resolve. What is
 * newer than HARDEN_CALL_LAST is refused as unknown, for which libraries are prepared. The unit file adds systemd's
 * list of allowed calls.
 *
 * The filter looks at the call's number first, so the kernel keeps its verdict in a bitmap (Linux 5.11): nearly all
 * calls pay nothing.
 */

/* mseal of Linux 6.10; from 424 on a call has the same number on all machines here. */
#define HARDEN_CALL_LAST  462
#define HARDEN_FILTER_MAX 256 /* instructions; what is below needs 160 */
#define HARDEN_NAMESPACES                                                                                              \
	((uint32_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |       \
		    CLONE_NEWNET))

#if defined(__x86_64__)
#define HARDEN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HARDEN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define HARDEN_ARCH AUDIT_ARCH_RISCV64
#elif defined(__arm__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HARDEN_ARCH AUDIT_ARCH_ARM
#endif

/* A sanitizer looks at its own process with ptrace and starts a program that names functions. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HARDEN_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HARDEN_SANITIZED 1
#endif
#endif
#ifndef HARDEN_SANITIZED
#define HARDEN_SANITIZED 0
#endif

#ifdef HARDEN_ARCH
static const int refused[] = {
	/* another user, another root, other namespaces */
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setgroups,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_capset,
	SYS_chroot,
	SYS_pivot_root,
	SYS_mount,
	SYS_umount2,
	SYS_unshare,
	SYS_setns,
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	/* other processes */
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
	SYS_pidfd_getfd,
	SYS_pidfd_send_signal,
	SYS_process_madvise,
	SYS_migrate_pages,
	SYS_move_pages,
#if !HARDEN_SANITIZED
	SYS_ptrace,
	SYS_personality,
#endif
	/* the machine */
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_syslog,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_quotactl,
	SYS_quotactl_fd,
	SYS_vhangup,
	/* large parts of the kernel that no part of longship uses */
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_fanotify_init,
	SYS_fanotify_mark,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	/* opens any file of a file system for who has CAP_DAC_READ_SEARCH, past all mounts */
	SYS_open_by_handle_at,
	SYS_mknodat,
#ifdef SYS_mknod
	SYS_mknod,
#endif
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_clock_settime64
	SYS_clock_settime64,
	SYS_clock_adjtime64,
#endif
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
	SYS_uselib,
	SYS__sysctl,
#endif
};

#define LOAD(field)			      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define ANSWER(what)			      BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE(error)			      ANSWER(SECCOMP_RET_ERRNO | (error))
#define IF(test, value, then_skip, else_skip) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (then_skip), (else_skip))

static size_t
filter_write(struct sock_filter *filter, bool own_program)
{
	/* Machines here keep a call's first argument in the low half: little-endian, and an int. */
	const struct sock_filter head[] = {
		LOAD(arch),
		IF(BPF_JEQ, HARDEN_ARCH, 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		IF(BPF_JGT, HARDEN_CALL_LAST, 0, 1),
		REFUSE(ENOSYS),
		/* Its flags are in memory, where no filter sees them: libc takes clone instead. */
		IF(BPF_JEQ, SYS_clone3, 0, 1),
		REFUSE(ENOSYS),
	};
	const struct sock_filter tail[] = {
		IF(BPF_JEQ, SYS_clone, 0, 4),
		LOAD(args[0]),
		IF(BPF_JSET, HARDEN_NAMESPACES, 0, 1),
		REFUSE(EPERM),
		ANSWER(SECCOMP_RET_ALLOW),
		IF(BPF_JEQ, SYS_socket, 0, 7),
		LOAD(args[0]),
		IF(BPF_JEQ, AF_UNIX, 4, 0),
		IF(BPF_JEQ, AF_INET, 3, 0),
		IF(BPF_JEQ, AF_INET6, 2, 0),
		IF(BPF_JEQ, AF_NETLINK, 1, 0),
		REFUSE(EAFNOSUPPORT),
		ANSWER(SECCOMP_RET_ALLOW),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	const int programs[] = {SYS_execve, SYS_execveat};
	size_t n = 0;

	_Static_assert(ARRAY_LEN(head) + ARRAY_LEN(tail) + 2 * ARRAY_LEN(refused) + 4 <= HARDEN_FILTER_MAX,
		"the filter has room");
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		filter[n++] = head[i];
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		filter[n++] = (struct sock_filter)IF(BPF_JEQ, (uint32_t)refused[i], 0, 1);
		filter[n++] = (struct sock_filter)REFUSE(EPERM);
	}
	for (size_t i = 0; i < ARRAY_LEN(programs) && !own_program && !HARDEN_SANITIZED; i++) {
		filter[n++] = (struct sock_filter)IF(BPF_JEQ, (uint32_t)programs[i], 0, 1);
		filter[n++] = (struct sock_filter)REFUSE(EPERM);
	}
	for (size_t i = 0; i < ARRAY_LEN(tail); i++)
		filter[n++] = tail[i];
	return n;
}

static int
close_calls(bool own_program)
{
	struct sock_filter filter[HARDEN_FILTER_MAX];
	const struct sock_fprog program = {.len = (unsigned short)filter_write(filter, own_program), .filter = filter};
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

	/* A positive number is a thread that could not be taken along. */
	return r < 0 ? -errno : r > 0 ? -EBUSY : 0;
}
#else
static int
close_calls(bool own_program)
{
	(void)own_program;
	return -EOPNOTSUPP;
}
#endif

/* Rights that Debian 12's headers do not have yet. */
#define ACCESS_TRUNCATE (1ULL << 14)

#define ACCESS_TREE                                                                                                    \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |              \
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |             \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER |                \
		ACCESS_TRUNCATE)
#define ACCESS_ALL                                                                                                     \
	(ACCESS_TREE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                                  \
		(HARDEN_SANITIZED ? 0 : LANDLOCK_ACCESS_FS_EXECUTE))

static int
allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	int r = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	if (access != 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		r = -errno;
	(void)close(rule.parent_fd);
	return r;
}

/* The first object is this program: the dynamic loader it names is executed with it. */
static int
find_loader(struct dl_phdr_info *info, size_t size, void *ptr)
{
	const char **loader = ptr;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*loader = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	return 1;
}

static int
allow_all(int ruleset, const struct harden_options *options, uint64_t handled)
{
	const uint64_t file = (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE) & handled;
	const char *loader = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < options->n_write_dirs; i++)
		r = allow(ruleset, options->write_dirs[i], ACCESS_TREE & handled);
	/* Where there is no /dev/null, nobody will miss it. */
	(void)allow(ruleset, "/dev/null", file);
	if (r < 0 || !options->own_program)
		return r;
	(void)dl_iterate_phdr(find_loader, &loader);
	r = allow(ruleset, "/proc/self/exe", LANDLOCK_ACCESS_FS_EXECUTE & handled);
	if (r == 0 && loader != NULL)
		r = allow(ruleset, loader, LANDLOCK_ACCESS_FS_EXECUTE & handled);
	return r;
}

static int
close_files(const struct harden_options *options)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = ACCESS_ALL};
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset, r;

	if (version < 0)
		return -errno;
	/* The first version cannot allow a rename between directories, so it forbids it: the store makes none. */
	if (version < 2)
		attr.handled_access_fs &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
	if (version < 3)
		attr.handled_access_fs &= ~(uint64_t)ACCESS_TRUNCATE;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	r = allow_all(ruleset, options, attr.handled_access_fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	(void)close(ruleset);
	return r;
}

int
harden_self(const struct harden_options *options, struct harden_report *ret)
{
	struct harden_report report = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		report.privileges = -errno;
	report.landlock = close_files(options);
	report.seccomp = close_calls(options->own_program);
	*ret = report;
	return report.privileges < 0 ? report.privileges : report.landlock < 0 ? report.landlock : report.seccomp;
}
