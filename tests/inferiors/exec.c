/* SPDX-License-Identifier: MIT */
/* exec PROGRAM [ARG...]: becomes another program, from a thread that is not the first. */
#include <pthread.h>
#include <unistd.h>

static void *become(void *arg)
{
	char **argv = arg;

	execv(argv[0], argv);
	_exit(1);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 2)
		return 2;
	pthread_create(&thread, NULL, become, argv + 1);
	pthread_join(thread, NULL);
	return 3;
}
