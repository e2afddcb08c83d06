/* SPDX-License-Identifier: MIT */
/*
 * What x86_emulate() makes of an instruction beside what the processor makes of it:
 * a child process takes one step for each of many thousands, with random operands.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/x86_emulate.h"

#define AREA  0x10000000ull
#define CODE  (AREA + 0x800)
#define STACK (AREA + 0x3000)
#define SIZE  0x4000u
#define EAGER 0xd5u /* CF PF AF ZF SF; OF is 0x800 */

static uint64_t state = 88172645463325252ull;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool read_area(void *ctx, uint64_t addr, void *buf, size_t len)
{
	if (addr < AREA || addr - AREA > SIZE - len)
		return false;
	memcpy(buf, (uint8_t *)ctx + (addr - AREA), len);
	return true;
}

static bool write_area(void *ctx, uint64_t addr, const void *buf, size_t len)
{
	if (addr < AREA || addr - AREA > SIZE - len)
		return false;
	memcpy((uint8_t *)ctx + (addr - AREA), buf, len);
	return true;
}

static bool no_shadow(void *ctx)
{
	(void)ctx;
	return false;
}

static bool shadow(void *ctx)
{
	(void)ctx;
	return true;
}

/* A child that is stopped, with an area of its own that it may write and execute. */
static pid_t start_child(void)
{
	pid_t child = fork();
	if (child == 0) {
		void *area = mmap((void *)AREA, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (area == MAP_FAILED || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	int status = 0;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSTOPPED(status));
	return child;
}

static void copy(pid_t child, uint8_t *local, bool to_child)
{
	struct iovec here = { local, SIZE }, there = { (void *)AREA, SIZE };
	ssize_t n = to_child ? process_vm_writev(child, &here, 1, &there, 1, 0)
			     : process_vm_readv(child, &here, 1, &there, 1, 0);
	cr_assert_eq(n, SIZE);
}

static unsigned long long near_stack(void)
{
	return rnd() % 3 ? STACK - 64 + rnd() % 512 : rnd();
}

static void randomize(struct user_regs_struct *r)
{
	r->rax = rnd() % 4 ? rnd() : rnd() % 3 - 1;
	r->rbx = near_stack();
	r->rcx = rnd() % 64;
	r->rdx = rnd();
	r->rsi = near_stack();
	r->rdi = rnd();
	r->r8 = near_stack();
	r->r9 = rnd();
	r->r10 = rnd() % 256;
	r->r11 = rnd();
	r->r12 = near_stack();
	r->r13 = near_stack();
	r->r14 = rnd();
	r->r15 = 0x8000000080008080ull;
	r->rbp = STACK + rnd() % 64 * 8;
	r->rsp = STACK + rnd() % 8 * 8;
	r->rip = CODE;
	r->orig_rax = ~0ull;
	r->eflags = (r->eflags & ~0x8d5ull) | (rnd() & 0x8d5);
}

static int step(pid_t child, struct user_regs_struct *r)
{
	int status = 0;
	cr_assert_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSTOPPED(status), "the child ended");
	cr_assert_eq(ptrace(PTRACE_GETREGS, child, NULL, r), 0);
	return WSTOPSIG(status);
}

static const char *describe(const uint8_t *code, char text[64])
{
	for (int i = 0; i < 15; i++)
		sprintf(text + 3 * i, "%02x ", code[i]);
	return text;
}

/* One instruction both ways; false if it is not emulated. */
static bool compare(pid_t child, const uint8_t *code, uint64_t flags)
{
	static uint8_t before[SIZE], ours[SIZE], theirs[SIZE];
	const struct x86_memory mem = { read_area, write_area, no_shadow, ours };
	struct user_regs_struct r, real;
	char text[64];

	cr_assert_eq(ptrace(PTRACE_GETREGS, child, NULL, &r), 0);
	randomize(&r);
	for (size_t i = 0; i < SIZE; i += 8)
		memcpy(before + i, &(uint64_t){ rnd() }, 8);
	memcpy(before + (CODE - AREA), code, X86_INSN_MAX);
	memcpy(ours, before, SIZE);
	real = r;
	if (!x86_emulate(code, X86_INSN_MAX, &r, &mem)) {
		cr_assert_arr_eq(ours, before, SIZE, "refused, but memory changed: %s",
				 describe(code, text));
		cr_assert_arr_eq(&r, &real, sizeof(r), "refused, but registers changed");
		return false;
	}
	copy(child, before, true);
	cr_assert_eq(ptrace(PTRACE_SETREGS, child, NULL, &real), 0);
	cr_assert_eq(step(child, &real), SIGTRAP, "it faults: %s", describe(code, text));
	copy(child, theirs, false);
	real.eflags &= ~0x10100ull; /* TF, RF: of the step */
	r.eflags &= ~0x10100ull;
	cr_assert_eq(r.eflags & flags, real.eflags & flags, "%s: flags %llx, not %llx",
		     describe(code, text), r.eflags, real.eflags);
	r.eflags = real.eflags;
	r.orig_rax = real.orig_rax;
	cr_assert_eq(r.rip, real.rip, "%s: rip %llx, not %llx", describe(code, text), r.rip,
		     real.rip);
	cr_assert_arr_eq(&r, &real, sizeof(r), "other registers after %s", describe(code, text));
	cr_assert_arr_eq(ours, theirs, SIZE, "other memory after %s", describe(code, text));
	return true;
}

/* Those whose every flag is defined, of @n with @opcode behind random prefixes. */
static unsigned int emulated(pid_t child, unsigned int first, unsigned int opcode, uint64_t flags)
{
	unsigned int done = 0;

	for (int i = 0; i < 150; i++) {
		uint8_t code[X86_INSN_MAX + 1], at = 0;
		uint64_t tail[2] = { rnd(), rnd() };
		if (rnd() % 4 == 0)
			code[at++] = 0x66;
		if (rnd() % 2)
			code[at++] = (uint8_t)(0x40 | rnd() % 16);
		if (first)
			code[at++] = (uint8_t)first;
		code[at++] = (uint8_t)opcode;
		memcpy(code + at, tail, X86_INSN_MAX - at);
		/* Half of them with a small displacement from rbp or rsp. */
		if (rnd() % 2) {
			code[at] = (uint8_t)(0x44 | (rnd() & 0x39));
			code[at + 1] = (uint8_t)(rnd() % 2 ? 0x24 : rnd());
			code[at + 2] &= 0x3f;
		} else if (rnd() % 4 == 0) {
			/* From somewhere in the area, by the pc. */
			code[at] = (uint8_t)((code[at] & 0x38) | 5);
			memcpy(&code[at + 1], &(int32_t){ (int32_t)(rnd() % 0x3000) }, 4);
		}
		done += compare(child, code, flags);
	}
	return done;
}

static bool is_logic(unsigned int opcode)
{
	unsigned int op = opcode >> 3 & 7;
	return opcode < 0x40 ? op == 1 || op == 4 || op == 6 : opcode != 0xfe && opcode != 0xff;
}

Test(x86_emulate, does_what_the_processor_does, .timeout = 240)
{
	pid_t child = start_child();
	unsigned int kinds = 0, done = 0;

	for (unsigned int opcode = 0; opcode < 0x200; opcode++) {
		unsigned int first = opcode >= 0x100 ? 0x0f : 0;
		/* Of logic the auxiliary carry is not defined. */
		uint64_t flags = 0x800 | (is_logic(opcode & 0xff) ? EAGER & ~0x10u : EAGER);
		if (first || opcode == 0x0f)
			flags = 0x800 | EAGER;
		unsigned int n = opcode == 0x0f ? 0 : emulated(child, first, opcode & 0xff, flags);
		kinds += n != 0;
		done += n;
	}
	/* Enough of them to mean something. */
	cr_assert_gt(kinds, 180, "%u opcodes are emulated", kinds);
	cr_assert_gt(done, 10000, "%u instructions were", done);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static bool emulate(const char *hex, struct user_regs_struct *r, const struct x86_memory *mem)
{
	uint8_t code[X86_INSN_MAX];
	size_t n = 0;

	for (char *end; *hex; hex = end + strspn(end, " "))
		code[n++] = (uint8_t)strtoul(hex, &end, 16);
	return x86_emulate(code, n, r, mem);
}

Test(x86_emulate, common_first_instructions_are_known)
{
	static const struct {
		const char *code;
		size_t len;
	} common[] = {
		{ "f3 0f 1e fa", 4 },
		{ "55", 1 },
		{ "41 57", 2 },
		{ "48 89 e5", 3 },
		{ "48 83 ec 18", 4 },
		{ "48 81 ec 88 00 00 00", 7 },
		{ "89 7d ec", 3 },
		{ "48 89 7c 24 08", 5 },
		{ "8b 45 fc", 3 },
		{ "48 8d 05 11 22 33 00", 7 },
		{ "31 c0", 2 },
		{ "b8 01 00 00 00", 5 },
		{ "c7 45 fc 00 00 00 00", 7 },
		{ "83 7d fc 05", 4 },
		{ "85 ff", 2 },
		{ "90", 1 },
		{ "66 90", 2 },
		{ "0f 1f 44 00 00", 5 },
		{ "66 2e 0f 1f 84 00 00 00 00 00", 10 },
		{ "48 63 d0", 3 },
		{ "0f b6 45 ff", 4 },
		{ "83 45 fc 01", 4 },
		{ "8b 05 fa 0f 00 00", 6 },
		{ "83 3d f9 0f 00 00 05", 7 },
		{ "ff 75 f0", 3 },
		{ "6a 05", 2 },
	};
	static uint8_t area[SIZE];
	const struct x86_memory mem = { read_area, write_area, no_shadow, area };

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		struct user_regs_struct r = { .rip = CODE, .rsp = STACK, .rbp = STACK, .cs = 0x33 };
		cr_assert(emulate(common[i].code, &r, &mem), "%s", common[i].code);
		cr_assert_eq(r.rip - CODE, common[i].len, "%s: %lld bytes", common[i].code,
			     r.rip - CODE);
	}
}

Test(x86_emulate, what_others_could_see_is_left_to_the_processor)
{
	static const char *const refused[] = {
		"8b 05 00 10 00 00", /* a variable that is not aligned */
		"89 05 fa 0f 00 00", /* a store to one that is */
		"ff 05 fa 0f 00 00",
		"48 8b 07",		      /* through a pointer to nowhere */
		"f0 83 45 fc 01",	      /* locked */
		"64 48 8b 04 25 28 00 00 00", /* thread-local */
		"0f 05",
		"cc",
		"cd 80",
		"c3", /* a return reads what may be checked */
		"f4",
		"67 8b 45 fc",
		"62 f1 7c 48 28 c0",
		"c5 f8 28 c1",
		"48",
		"c7 45 fc 00", /* cut off */
		"",
	};
	static uint8_t area[SIZE];
	const struct x86_memory mem = { read_area, write_area, no_shadow, area };
	struct user_regs_struct r = { .rip = CODE, .rsp = STACK, .rbp = STACK, .cs = 0x33 };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		cr_assert_not(emulate(refused[i], &r, &mem), "%s", refused[i]);
	r.cs = 0x23;
	cr_assert_not(emulate("90", &r, &mem), "32-bit code");
}

Test(x86_emulate, calls_are_not_made_where_returns_are_checked)
{
	static uint8_t area[SIZE];
	const struct x86_memory mem = { read_area, write_area, no_shadow, area };
	const struct x86_memory checked = { read_area, write_area, shadow, area };
	struct user_regs_struct r = { .rip = CODE, .rsp = STACK, .cs = 0x33 };
	uint64_t back;

	cr_assert_not(emulate("e8 00 01 00 00", &r, &checked));
	cr_assert(emulate("e8 00 01 00 00", &r, &mem));
	cr_assert_eq(r.rip, CODE + 5 + 0x100);
	cr_assert_eq(r.rsp, STACK - 8);
	memcpy(&back, area + (STACK - 8 - AREA), 8);
	cr_assert_eq(back, CODE + 5);
}
