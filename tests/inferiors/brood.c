/* SPDX-License-Identifier: MIT */
/* brood N: N threads, born and ended one after another, a few at a time. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define TOGETHER 4

volatile int born;

static void *live(void *arg)
{
	__atomic_add_fetch(&born, 1, __ATOMIC_SEQ_CST); /* line: born */
	usleep(500);
	return arg;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 20;

	for (int i = 0; i < n; i += TOGETHER) {
		pthread_t threads[TOGETHER];

		for (int j = 0; j < TOGETHER; j++)
			pthread_create(&threads[j], NULL, live, NULL);
		for (int j = 0; j < TOGETHER; j++)
			pthread_join(threads[j], NULL);
	}
	return born % 100; /* line: done */
}
