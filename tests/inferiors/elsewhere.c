/* SPDX-License-Identifier: MIT */
/*
 * elsewhere TIMES: instructions, each with a name, that a stub may have to execute elsewhere
 * when there is a breakpoint on them.  Two threads check TIMES times that each of them does
 * what it does; a third runs on.  Exits 0 if all was right.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

volatile unsigned long turns, wrong;
static unsigned long times;
unsigned long shared[2]; /* one for each thread */

extern const char at_ill[], at_fpe[];
static __thread volatile int signals;

__asm__(".pushsection .text\n"
	/* rdi: what to add, rsi: whose */
	"add_there: lea shared(%rip), %rax\n"
	"at_relative: cmpq $-1, shared(%rip)\n"
	"at_store: add %rdi, (%rax,%rsi,8)\n"
	"at_xchg: xchg %rdi, (%rax,%rsi,8)\n"
	"at_back: xchg %rdi, (%rax,%rsi,8)\n"
	"at_ret: ret\n"
	/* the same by way of a pointer */
	"add_by_pointer: sub $8, %rsp\n"
	"at_call: call *pointer(%rip)\n"
	"at_call_rax: mov pointer(%rip), %rax\n"
	"xor %edi, %edi\n"
	"at_register: call *%rax\n"
	"add $8, %rsp\n"
	"at_jump: jmp *back(%rip)\n"
	"there: ret\n"
	/* rdi, rsi: to and from, rdx: bytes; returns the carry of what it was told */
	"copy: mov %rdx, %rcx\n"
	"at_copy: rep movsb\n"
	"at_float: cvtsi2sd %rdx, %xmm0\n"
	"at_vector: vpxor %xmm1, %xmm1, %xmm1\n"
	"cvttsd2si %xmm0, %rax\n"
	"at_flags: pushf\n"
	"pop %rdx\n"
	"ret\n"
	"ill:\n"
	"at_ill: ud2\n"
	"ret\n"
	"fpe: xor %ecx, %ecx\n"
	"at_fpe: div %ecx\n"
	"ret\n"
	".popsection\n"
	".pushsection .data\n"
	"pointer: .quad add_there\n"
	"back: .quad there\n"
	".popsection\n");

void add_there(unsigned long n, unsigned long who);
void add_by_pointer(unsigned long n, unsigned long who);
unsigned long copy(void *to, const void *from, unsigned long n);
void ill(void);
void fpe(void);

/* Goes on behind the instruction, both have two bytes, if the signal says where it was. */
static void on_signal(int signo, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;
	greg_t at = (greg_t)(uintptr_t)(signo == SIGILL ? at_ill : at_fpe);

	if ((greg_t)(uintptr_t)info->si_addr != at || uc->uc_mcontext.gregs[REG_RIP] != at)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
	signals++;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

static void check(unsigned long who, unsigned long turn)
{
	char from[64], to[64] = { 0 };
	unsigned long before = shared[who];

	memset(from, (int)turn, sizeof(from));
	add_there(turn, who);
	add_by_pointer(1, who);
	if (shared[who] != before + turn + 1)
		wrong++;
	if (copy(to, from, sizeof(to)) != sizeof(to) || memcmp(from, to, sizeof(to)) != 0)
		wrong++;
	signals = 0;
	ill();
	fpe();
	if (signals != 2)
		wrong++;
}

static void *repeat(void *arg)
{
	for (unsigned long i = 0; i < times; i++)
		check((unsigned long)arg, i);
	return NULL;
}

static void *run_on(void *arg)
{
	for (;;)
		turns++;
	return arg;
}

int main(int argc, char **argv)
{
	const struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_t thread[3];

	times = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	pthread_create(&thread[2], NULL, run_on, NULL);
	for (unsigned long i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, repeat, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	return wrong != 0;
}
