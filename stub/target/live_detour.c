/* SPDX-License-Identifier: MIT */
/*
 * A thread that waits in a system call is sent to code of ours, which calls three functions and
 * then has the system call return EINTR: what the kernel does for a signal's handler, but
 * without a signal, so that no mask and no disposition matters, and nobody has to watch.
 *
 * The code saves and restores what PTRACE_GETREGS does not have (XSAVE); the rest it finds in
 * the data beside it, as we left it.  It returns by a jump, not by `ret': shadow stacks stay right.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "stub/target/live_priv.h"

#define BELOW_STACK   512u  /* the red zone is 128 bytes */
#define XSAVE_AT      0x200 /* in the data; before it: registers */
#define XSAVE_MAX     (TARGET_DETOUR_DATA - XSAVE_AT)
#define REG_AT(field) ((uint32_t)offsetof(struct user_regs_struct, field))

struct code {
	uint8_t bytes[TARGET_DETOUR_CODE];
	size_t n;
};

static void put(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->bytes + c->n, bytes, n);
	c->n += n;
}

/* An instruction, and the constant that ends it. */
static void put_wide(struct code *c, const char *insn, size_t n, uint64_t value)
{
	put(c, insn, n);
	put(c, &value, sizeof(value));
}

static void put_disp(struct code *c, const char *insn, size_t n, uint32_t disp)
{
	put(c, insn, n);
	put(c, &disp, sizeof(disp));
}

#define INSN(bytes) bytes, sizeof(bytes) - 1

static void put_call(struct code *c, uint64_t function)
{
	put_wide(c, INSN("\x48\xb8"), function); /* mov $function, %rax */
	put(c, INSN("\xff\xd0"));		 /* call *%rax */
}

/* All that XCR0 allows. */
static void put_xsave(struct code *c, const char *insn, size_t n)
{
	put(c, INSN("\xb8\xff\xff\xff\xff\xba\xff\xff\xff\xff")); /* eax = edx = -1 */
	put_disp(c, insn, n, XSAVE_AT);
}

/* Registers out of the data, which %rbx points to; %rbx is the last. */
static void put_registers(struct code *c)
{
	/* mov disp32(%rbx), %REG */
	static const struct {
		const char *insn;
		uint32_t at;
	} loads[] = {
		{ "\x4c\x8b\xbb", REG_AT(r15) }, { "\x4c\x8b\xb3", REG_AT(r14) },
		{ "\x4c\x8b\xab", REG_AT(r13) }, { "\x4c\x8b\xa3", REG_AT(r12) },
		{ "\x4c\x8b\x9b", REG_AT(r11) }, { "\x4c\x8b\x93", REG_AT(r10) },
		{ "\x4c\x8b\x8b", REG_AT(r9) },	 { "\x4c\x8b\x83", REG_AT(r8) },
		{ "\x48\x8b\xbb", REG_AT(rdi) }, { "\x48\x8b\xb3", REG_AT(rsi) },
		{ "\x48\x8b\x93", REG_AT(rdx) }, { "\x48\x8b\x8b", REG_AT(rcx) },
		{ "\x48\x8b\x83", REG_AT(rax) }, { "\x48\x8b\xab", REG_AT(rbp) },
		{ "\x48\x8b\xa3", REG_AT(rsp) }, { "\x48\x8b\x9b", REG_AT(rbx) },
	};

	put_disp(c, INSN("\xff\xb3"), REG_AT(eflags)); /* push */
	put(c, INSN("\x9d"));			       /* popf */
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		put_disp(c, loads[i].insn, 3, loads[i].at);
}

static void make_code(struct code *c, const struct target_detour *d, uint64_t back)
{
	c->n = 0;
	put_wide(c, INSN("\x48\xbb"), d->data); /* mov $data, %rbx */
	put_xsave(c, INSN("\x48\x0f\xae\xa3")); /* xsave64 disp32(%rbx) */
	put_call(c, d->before);
	put(c, INSN("\x41\x89\xc4"));	       /* mov %eax, %r12d */
	put_wide(c, INSN("\x48\xbf"), d->arg); /* mov $arg, %rdi */
	put_call(c, d->function);
	put(c, INSN("\x44\x89\xe7")); /* mov %r12d, %edi */
	put_call(c, d->after);
	put_xsave(c, INSN("\x48\x0f\xae\xab")); /* xrstor64 disp32(%rbx) */
	put_disp(c, INSN("\xe9"), TARGET_DETOUR_END - (uint32_t)c->n - 5); /* jmp */
	while (c->n < TARGET_DETOUR_END)
		put(c, INSN("\xcc"));
	put_disp(c, INSN("\xc7\x83"), TARGET_DETOUR_LEFT); /* movl $1, disp32(%rbx) */
	put(c, INSN("\1\0\0\0"));
	put_registers(c);
	put_wide(c, INSN("\xff\x25\0\0\0\0"), back); /* jmp *0(%rip) */
}

/* The data's area for XSAVE has to be all zeroes but for what is put there. */
static struct err *write_parts(struct live *l, const struct target_detour *d,
			       const struct user_regs_struct *r)
{
	struct code code;

	make_code(&code, d, r->rip);
	if (live_mem_ops.write(l, d->data, r, sizeof(*r)) != sizeof(*r) ||
	    live_mem_ops.write(l, d->code, code.bytes, code.n) != code.n)
		return err_new(ERR_STATE, "the process's new memory cannot be written");
	return NULL;
}

static struct err *check_size(const struct lwp *p)
{
	uint8_t area[REGSET_MAX];
	struct iovec vectors = { area, sizeof(area) };

	if (ptrace(PTRACE_GETREGSET, p->tid, (void *)NT_X86_XSTATE, &vectors) != 0 ||
	    vectors.iov_len > XSAVE_MAX)
		return err_new(ERR_STATE, "the registers of thread %d cannot be saved", p->tid);
	return NULL;
}

struct err *live_detour(struct target *t, pid_t tid, const struct target_detour *d)
{
	struct live *l = to_live(t);
	const struct lwp *p = lwp_find(l, tid);
	struct user_regs_struct r;

	if (!p || !live_interrupted(p, &r))
		return err_new(ERR_STATE, "thread %d is in no system call that can be interrupted",
			       tid);
	struct err *err = check_size(p);
	if (!err)
		err = write_parts(l, d, &r);
	if (err)
		return err;
	r.rip = d->code;
	r.rsp = (r.rsp - BELOW_STACK) & ~63ull;
	r.rbp = 0;
	if (ptrace(PTRACE_SETREGS, tid, NULL, &r) != 0)
		return err_os("setting the registers of thread %d", tid);
	t->regs.generation = 0;
	mem_invalidate(&t->mem);
	t->space_stop = 0;
	return NULL;
}
