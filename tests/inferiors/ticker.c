/* SPDX-License-Identifier: MIT */
/*
 * ticker FILE [THREADS]: counts for ever, in THREADS threads, and writes its process
 * id and the count to FILE now and then, so that a test sees whether it runs.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

volatile unsigned long ticks;

void tick(void)
{
	ticks++; /* line: tick */
}

static void *spin(void *arg)
{
	(void)arg;
	for (;;) {
		tick();
		usleep(1000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (argc < 2)
		return 2;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	for (int i = 0; i < n; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, spin, NULL);
	}
	for (;;) {
		FILE *f = fopen(argv[1], "w");

		tick();
		if (f) {
			fprintf(f, "%d %lu\n", (int)getpid(), ticks);
			fclose(f);
		}
		usleep(5000);
	}
}
