/* SPDX-License-Identifier: MIT */
/*
 * What a debugger is tried on: threads with names, a library opened at run time, a
 * variable of each thread, and a function that is called again and again.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct record {
	int first;
	double sum;
	const char *text;
};

int total;
__thread int own = 7;
static pthread_barrier_t named;

__attribute__((noinline)) int add(int n, struct record *r)
{
	total += n; /* line: total */
	r->sum += n * 0.5;
	return total;
}

static void *wait_forever(void *name)
{
	own = 9;
	(void)pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&named);
	for (;;)
		pause();
	return NULL;
}

int main(void)
{
	static char names[][8] = { "north", "east", "south" };
	struct record r = { 1, 2.0, "hello" };
	pthread_t t[3];

	pthread_barrier_init(&named, NULL, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, wait_forever, names[i]);
	if (!dlopen("libm.so.6", RTLD_NOW))
		return 1;
	pthread_barrier_wait(&named);
	puts("ready");
	fflush(stdout);
	for (int i = 0; i < 1000000; i++) {
		add(i, &r);
		usleep(20000);
	}
	return 0;
}
