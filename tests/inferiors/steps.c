/* SPDX-License-Identifier: MIT */
/*
 * steps [COUNT]: a program to be stopped, stepped and watched; its exit status is 7.
 *
 * Lines are named by comments: a test finds "line: NAME" rather than a number.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

volatile int counter;
volatile sig_atomic_t handled;

static void on_signal(int signo)
{
	handled = signo;
}

int add(int a, int b)
{
	int sum = a + b; /* line: sum */

	return sum;
}

static void count(int n)
{
	for (int i = 0; i < n; i++)
		counter = add(counter, i); /* line: call */
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 5;

	signal(SIGUSR1, on_signal);
	count(n); /* line: main */
	raise(SIGUSR1);
	printf("counter %d handled %d argc %d env %s\n", counter, (int)handled, argc,
	       getenv("ARCHERFISH_TEST") ? getenv("ARCHERFISH_TEST") : "unset"); /* line: said */
	fflush(stdout);
	return 7;
}
