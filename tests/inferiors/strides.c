/* SPDX-License-Identifier: MIT */
/*
 * strides: a piece of code of which every instruction has a name, for steps.
 * It runs for ever; `lap' counts.
 */
#include <signal.h>
#include <unistd.h>

volatile unsigned long lap, caught;
void strides(void);

/* clang-format off */
__asm__(
	".text\n"
	".globl strides, at_call, at_syscall, at_after, at_rep, at_flags, at_nops, at_loop, at_last, callee\n"
	"strides:\n"
	"	push %rbx\n"
	"at_call:\n"
	"	call callee\n"
	"	mov $39, %eax\n"	/* getpid */
	"at_syscall:\n"
	"	syscall\n"
	"at_after:\n"
	"	lea -64(%rsp), %rdi\n"
	"	mov $5, %ecx\n"
	"	xor %eax, %eax\n"
	"at_rep:\n"
	"	rep stosb\n"
	"at_flags:\n"
	"	pushf\n"
	"	popf\n"
	"at_nops:\n"
	"	nop\n"
	"	nop\n"
	"	mov $100, %ecx\n"
	"at_loop:\n"
	"	dec %ecx\n"
	"	jnz at_loop\n"
	"at_last:\n"
	"	pop %rbx\n"
	"	ret\n"
	"callee:\n"
	"	nop\n"
	"	ret\n");
/* clang-format on */

__attribute__((noinline)) void handler(int signo)
{
	(void)signo;
	caught++;
}

int main(void)
{
	signal(SIGUSR1, handler);
	for (;;) {
		strides();
		lap++;
	}
}
