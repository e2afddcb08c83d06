/* SPDX-License-Identifier: MIT */
/*
 * What a program does that leaves Python by longjmp(): leap() calls @go, which calls land(), and
 * leap() goes on without Python's knowledge, and waits.
 */
#include <setjmp.h>
#include <stdio.h>
#include <unistd.h>

static jmp_buf from;

void leap(void (*go)(void));
void land(void);

void land(void)
{
	longjmp(from, 1);
}

void leap(void (*go)(void))
{
	if (setjmp(from) == 0)
		go();
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

int main(void)
{
	return 0;
}
