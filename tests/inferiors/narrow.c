/* SPDX-License-Identifier: MIT */
/*
 * A 32-bit program without a C library, so that any gcc for x86-64 builds it: calls work()
 * with 1, 2, ... ROUNDS, sends itself SIGUSR1, calls spin() in a second thread, and writes
 * where there is no memory.
 */
#define ROUNDS	   5
#define SYS_EXIT   1
#define SYS_GETPID 20
#define SYS_KILL   37
#define SYS_CLONE  120
#define SIGUSR1	   10
/* CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD and _SYSVSEM */
#define THREAD	   0x50f00u

volatile int counter, spins;
int *volatile nowhere = (int *)0x10203040;
static char stack[65536] __attribute__((aligned(16)));

static int call(int number, unsigned int a, unsigned int b)
{
	int ret;
	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(number), "b"(a), "c"(b) : "memory");
	return ret;
}

__attribute__((noinline)) int work(int x)
{
	counter += x;
	return x * 2;
}

__attribute__((noinline)) void spin(void)
{
	spins++;
}

static void in_thread(void)
{
	for (;;)
		spin();
}

__attribute__((noinline)) void fault(void)
{
	*nowhere = 1;
}

int main(void)
{
	for (int i = 1; i <= ROUNDS; i++)
		work(i);
	call(SYS_KILL, (unsigned int)call(SYS_GETPID, 0, 0), SIGUSR1);
	if (call(SYS_CLONE, THREAD, (unsigned int)(stack + sizeof(stack) - 16)) == 0)
		in_thread();
	while (spins < 1000)
		;
	fault();
	return 0;
}

void _start(void)
{
	call(SYS_EXIT, (unsigned int)main(), 0);
}
