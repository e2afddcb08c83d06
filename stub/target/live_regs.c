/* SPDX-License-Identifier: MIT */
/* Registers, siginfo and debug registers of the threads of a live process. */
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arch/x86_siginfo.h"
#include "stub/target/live_priv.h"

static void *regset_arg(const struct regset *rs)
{
	return (void *)(uintptr_t)rs->nt_type;
}

/* Those that the kernel shows us as of 64-bit code, whatever code the thread is in. */
static struct err *read_general(struct live *l, pid_t tid, void *buf, size_t *size)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0)
		return err_os("reading the general registers of thread %d", tid);
	*size = live_put_gprs(l, &r, buf, *size);
	return NULL;
}

static struct err *read_fxsave(pid_t tid, void *buf, size_t *size)
{
	struct user_fpregs_struct area;

	if (ptrace(PTRACE_GETFPREGS, tid, NULL, &area) != 0)
		return err_os("reading the floating point registers of thread %d", tid);
	if (*size > sizeof(area))
		*size = sizeof(area);
	memcpy(buf, &area, *size);
	return NULL;
}

struct err *live_regset_read(struct target *t, pid_t tid, const struct regset *rs, void *buf,
			     size_t *size)
{
	struct iovec iov = { buf, *size };

	if (rs->nt_type == NT_PRSTATUS)
		return read_general(to_live(t), tid, buf, size);
	if (rs->nt_type == NT_PRXFPREG)
		return read_fxsave(tid, buf, size);
	if (ptrace(PTRACE_GETREGSET, tid, regset_arg(rs), &iov) != 0) {
		if (errno == EINVAL || errno == ENODEV || errno == EIO)
			return err_new(ERR_NOT_FOUND, "the kernel has no %s registers", rs->name);
		return err_os("reading the %s registers of thread %d", rs->name, tid);
	}
	*size = iov.iov_len;
	return NULL;
}

static struct err *live_regset_write(struct target *t, pid_t tid, const struct regset *rs,
				     const void *buf, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)buf, size };

	if (rs->nt_type == NT_PRSTATUS && live_is_32(to_live(t)))
		return live_write_gprs_32(tid, buf, size);
	if (rs->nt_type == NT_PRXFPREG && size == sizeof(struct user_fpregs_struct)) {
		if (ptrace(PTRACE_SETFPREGS, tid, NULL, buf) != 0)
			return err_os("writing the floating point registers of thread %d", tid);
		return NULL;
	}
	if (ptrace(PTRACE_SETREGSET, tid, regset_arg(rs), &iov) != 0)
		return err_os("writing the %s registers of thread %d", rs->name, tid);
	return NULL;
}

struct err *live_siginfo_read(struct target *t, pid_t tid, void *buf, size_t *size)
{
	siginfo_t info = { 0 };
	const struct lwp *p = lwp_find(to_live(t), tid);

	if (p && p->made_up) {
		/* No signal was sent; say what the client was told. */
		info.si_signo = p->last_signal;
		info.si_code = SI_USER;
	} else if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) != 0) {
		return err_os("reading the siginfo of thread %d", tid);
	}
	if (*size > sizeof(info))
		*size = sizeof(info);
	uint8_t narrow[X86_SIGINFO_SIZE];
	x86_siginfo_narrow((const uint8_t *)&info, narrow);
	memcpy(buf, live_is_32(to_live(t)) ? (const void *)narrow : (const void *)&info, *size);
	return NULL;
}

static struct err *live_siginfo_write(struct target *t, pid_t tid, const void *buf, size_t size)
{
	siginfo_t info;

	if (size != sizeof(info))
		return err_new(ERR_PROTO, "a siginfo has %zu bytes", sizeof(info));
	if (live_is_32(to_live(t)))
		x86_siginfo_widen(buf, (uint8_t *)&info);
	else
		memcpy(&info, buf, sizeof(info));
	if (ptrace(PTRACE_SETSIGINFO, tid, NULL, &info) != 0)
		return err_os("writing the siginfo of thread %d", tid);
	return NULL;
}

const struct target_write_ops live_write_ops = {
	.regset_write = live_regset_write,
	.siginfo_write = live_siginfo_write,
};

/* The kernel's own errors between a call and its restart (include/linux/errno.h). */
#define KERNEL_ERESTARTNOHAND 514

/*
 * The calls of signal(7), "Interruption of system calls and library functions by
 * stop signals", which the kernel itself never begins again.  The plain reads and
 * writes are here for sockets with a timeout.  None of them has done anything when
 * it says EINTR.
 */
static bool is_never_restarted(uint64_t call)
{
	switch (call) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_rt_sigtimedwait:
	case SYS_io_getevents:
	case SYS_io_uring_enter:
	case SYS_fallocate: /* of shared memory */
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect:
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_write:
	case SYS_writev:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
		return true;
	default:
		return false;
	}
}

/* The same by the numbers of 32-bit code (arch/x86/entry/syscalls/syscall_32.tbl), sorted. */
static const uint16_t never_restarted_32[] = {
	3,   4,	  102, 117, 145, 146, 177, 247, 256, 319, 324, 337,
	345, 362, 364, 369, 370, 371, 372, 417, 420, 421, 426, 441,
};

static bool is_never_restarted_32(uint64_t call)
{
	for (size_t i = 0; i < sizeof(never_restarted_32) / sizeof(never_restarted_32[0]); i++)
		if (never_restarted_32[i] == call)
			return true;
	return false;
}

/* ERESTARTNOHAND: again, but EINTR if a handler ran; as select() has it. */
void live_hide_interruption(struct lwp *p, const struct user_regs_struct *r)
{
	if ((int32_t)r->rax == -EINTR &&
	    (r->cs == LIVE_USER_CS64 ? is_never_restarted(r->orig_rax)
				     : is_never_restarted_32(r->orig_rax)))
		(void)ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, regs.rax),
			     (long)-KERNEL_ERESTARTNOHAND);
}

/*
 * A stop that was asked for overtakes the signal of a trap just executed.  PEEKSIGINFO
 * shows the thread's own queue.
 */
bool live_trap_queued(const struct lwp *p)
{
	siginfo_t info[16];
	struct __ptrace_peeksiginfo_args args = { .nr = 16 };
	long n;

	do {
		n = ptrace(PTRACE_PEEKSIGINFO, p->tid, &args, info);
		for (long i = 0; i < n; i++)
			if (info[i].si_signo == SIGTRAP && info[i].si_code > 0)
				return true;
		args.off += args.nr;
	} while (n == args.nr);
	return false;
}

bool live_trap_before(struct live *l, uint64_t pc)
{
	const struct arch *a = l->target.arch;
	uint8_t code[8];

	return a->bp_len <= sizeof(code) && a->bp_len == a->pc_after_bp &&
	       pread(l->mem_fd, code, a->bp_len, (off_t)(pc - a->bp_len)) == a->bp_len &&
	       memcmp(code, a->bp_insn, a->bp_len) == 0;
}

#define I386_CLONE 120
#define I386_VFORK 190

uint64_t live_clone_flags(struct live *l, const struct lwp *p)
{
	struct user_regs_struct r;
	uint64_t flags = 0;

	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
		return 0;
	bool wide = r.cs == LIVE_USER_CS64;
	uint64_t first = wide ? r.rdi : (uint32_t)r.rbx;
	if (r.orig_rax == (wide ? SYS_clone : I386_CLONE))
		return first;
	if (r.orig_rax == (wide ? SYS_vfork : I386_VFORK))
		return CLONE_VM | CLONE_VFORK;
	/* The first member of its argument; the number is the same in both. */
	if (r.orig_rax != SYS_clone3 ||
	    pread(l->mem_fd, &flags, sizeof(flags), (off_t)first) != sizeof(flags))
		return 0;
	return flags;
}

#define EFLAGS_TF     0x100u
#define OPCODE_PUSHF  0x9c
#define OPCODE_POPF   0x9d
#define OPCODE_IRET   0xcf
#define PREFIX_16_BIT 0x66
#define PREFIX_REX_W  0x48

void live_watch_flags(struct live *l, struct lwp *p)
{
	struct user_regs_struct r;
	uint8_t code[2] = { 0 };

	p->flags = (struct step_flags){ 0 };
	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
		return;
	p->flags.pc = r.rip;
	p->flags.own = r.eflags & EFLAGS_TF;
	if (pread(l->mem_fd, code, sizeof(code), (off_t)r.rip) < 1)
		return;
	bool rex = code[0] == PREFIX_REX_W && r.cs == LIVE_USER_CS64;
	uint8_t at = code[0] == PREFIX_16_BIT || rex ? 1 : 0;
	if (code[at] == OPCODE_PUSHF)
		p->flags.pushed = (uint8_t)(at + 1);
	p->flags.loads = code[at] == OPCODE_POPF || code[at] == OPCODE_IRET;
}

static void repair_pushed(struct live *l, uint64_t sp)
{
	uint16_t flags;

	if (pread(l->mem_fd, &flags, sizeof(flags), (off_t)sp) != sizeof(flags))
		return;
	flags &= (uint16_t)~EFLAGS_TF;
	(void)!pwrite(l->mem_fd, &flags, sizeof(flags), (off_t)sp);
}

void live_repair_flags(struct live *l, struct lwp *p)
{
	struct user_regs_struct r;
	const struct step_flags *f = &p->flags;

	if (f->own || ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
		return;
	if (f->pushed && r.rip == f->pc + f->pushed)
		repair_pushed(l, r.rsp);
	if ((r.eflags & EFLAGS_TF) && !(f->loads && r.rip != f->pc))
		(void)ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, regs.eflags),
			     r.eflags & ~(unsigned long)EFLAGS_TF);
}

bool live_get_pc(struct lwp *p, uint64_t *ret)
{
	errno = 0;
	long v = ptrace(PTRACE_PEEKUSER, p->tid, offsetof(struct user, regs.rip), NULL);
	*ret = (uint64_t)v;
	return errno == 0;
}

bool live_set_pc(struct lwp *p, uint64_t pc)
{
	return ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, regs.rip), pc) == 0;
}

static void poke_dreg(struct lwp *p, unsigned int i, uint64_t value)
{
	/* Refused for an address the kernel does not let user space watch: no hit, then. */
	(void)ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg) + 8ull * i, value);
}

void live_sync_dregs(struct live *l, struct lwp *p)
{
	if (p->dregs_seen == l->dregs.generation)
		return;
	/* Disabled first: the kernel checks each address against what DR7 enables. */
	poke_dreg(p, 7, 0);
	for (unsigned int i = 0; i < X86_DREGS; i++)
		if (l->dregs.reg[i].refs)
			poke_dreg(p, i, l->dregs.reg[i].addr);
	poke_dreg(p, 7, x86_dregs_control(&l->dregs));
	p->dregs_seen = l->dregs.generation;
}

void live_clear_dregs(struct lwp *p)
{
	if (p->dregs_seen)
		poke_dreg(p, 7, 0);
	p->dregs_seen = 0;
}

uint64_t live_take_dr6(struct lwp *p)
{
	errno = 0;
	long v =
		ptrace(PTRACE_PEEKUSER, p->tid, offsetof(struct user, u_debugreg) + 8ull * 6, NULL);
	if (errno || !v)
		return 0;
	poke_dreg(p, 6, 0);
	return (uint64_t)v;
}
