/* SPDX-License-Identifier: MIT */
/*
 * Programs that the benches debug: work MODE [N].  Fixed addresses; one line of JSON says where
 * things are once everything runs.
 *
 *	mem MIB		memory of random bytes at `mem'
 *	hot THREADS	calls hot(i) for ever beside so many threads in all, `counter' counts
 *	threads N	N threads in all, that sleep
 *	range TURNS	a loop of three instructions, so many times, between range_start and range_end
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

volatile uint64_t counter;

void hot(uint64_t i);
void spin_range(uint64_t turns);
extern char hot_writes[], range_start[], range_end[];

/* It begins as most functions do. */
/* clang-format off */
__asm__(
	".text\n"
	".globl hot, hot_writes, spin_range, range_start, range_end\n"
	"hot:\n"
	"	push %rbx\n"
	"hot_writes:\n"
	"	mov %rdi, counter(%rip)\n"
	"	pop %rbx\n"
	"	ret\n"
	"spin_range:\n"
	"range_start:\n"
	"	nop\n"
	"1:	add $1, %rax\n"
	"	dec %rdi\n"
	"	jnz 1b\n"
	"range_end:\n"
	"	ret\n");
/* clang-format on */

static void *sleeps(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void make_threads(long n)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (long i = 1; i < n; i++) {
		pthread_t thread;
		char name[16];
		if (pthread_create(&thread, &attr, sleeps, NULL) != 0) {
			perror("pthread_create");
			exit(1);
		}
		snprintf(name, sizeof(name), "w%d", (int)(i % 1000000));
		(void)pthread_setname_np(thread, name);
	}
}

static uint64_t *random_memory(size_t size)
{
	uint64_t x = 88172645463325252ull, *mem;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		exit(1);
	for (size_t i = 0; i < size / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		mem[i] = x;
	}
	return mem;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 0;
	uint64_t *mem = NULL;

	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	(void)prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0);
	if (strcmp(mode, "mem") == 0)
		mem = random_memory((size_t)n << 20);
	if (strcmp(mode, "hot") == 0 || strcmp(mode, "threads") == 0)
		make_threads(n);
	printf("{\"pid\":%d,\"mem\":%ju,\"hot\":%ju,\"hot_writes\":%ju,\"counter\":%ju,\"range_"
	       "start\":%ju,"
	       "\"range_end\":%ju}\n",
	       getpid(), (uintmax_t)(uintptr_t)mem, (uintmax_t)(uintptr_t)hot,
	       (uintmax_t)(uintptr_t)hot_writes, (uintmax_t)(uintptr_t)&counter,
	       (uintmax_t)(uintptr_t)range_start, (uintmax_t)(uintptr_t)range_end);
	fflush(stdout);
	if (strcmp(mode, "hot") == 0)
		for (uint64_t i = 1;; i++)
			hot(i);
	if (strcmp(mode, "range") == 0)
		for (;;)
			spin_range((uint64_t)n);
	for (;;)
		pause();
}
