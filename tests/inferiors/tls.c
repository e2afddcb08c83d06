/* SPDX-License-Identifier: MIT */
/*
 * tls [LIBRARY]: threads with variables of their own; LIBRARY is library/tls.c.  Each prints
 * where its variables are, and all wait at the line "here".
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 3

__thread int mine = 5;
__thread char aligned[40] __attribute__((aligned(64)));
static pthread_barrier_t barrier;
static int *(*in_library)(void);

static void tell(void)
{
	printf("thread %ld mine %p aligned %p library %p\n", (long)syscall(SYS_gettid),
	       (void *)&mine, (void *)aligned, in_library ? (void *)in_library() : NULL);
	fflush(stdout);
}

static void *run(void *arg)
{
	mine = 100 + (int)(long)arg;
	tell();
	errno = 10 + (int)(long)arg;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* Uses nothing of the library's. */
static void *idle(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static void all_are_there(void)
{
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;

	if (library)
		*(void **)&in_library = dlsym(library, "library_variable");
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, i < THREADS - 1 ? run : idle, (void *)i);
	tell();
	errno = 33;
	pthread_barrier_wait(&barrier);
	all_are_there(); /* line: here */
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
