/* SPDX-License-Identifier: MIT */
/* often THREADS: calls often() for ever, beside threads that sleep; `calls' counts. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

volatile unsigned long calls, last;

void often(long x);

/* It begins as most functions do; what comes then writes memory that others may read. */
/* clang-format off */
__asm__(
	".text\n"
	".globl often, often_writes\n"
	"often:\n"
	"	push %rbx\n"
	"often_writes:\n"
	"	mov %rdi, last(%rip)\n"
	"	pop %rbx\n"
	"	ret\n");
/* clang-format on */

static void *sleeps(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
		pthread_t thread;
		pthread_create(&thread, NULL, sleeps, NULL);
	}
	for (;;) {
		often((long)calls);
		calls++;
	}
}
