/* SPDX-License-Identifier: MIT */
/* For tls.c: more thread-local storage than fits beside the program's. */
__thread int library_own = 70;
__thread char library_much[16384];

int *library_variable(void)
{
	library_much[0] = 1;
	return &library_own;
}
