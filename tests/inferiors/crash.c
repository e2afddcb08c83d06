/* SPDX-License-Identifier: MIT */
/* Writes through a null pointer. */
int *nowhere;

static void crash(int depth)
{
	if (depth)
		crash(depth - 1);
	else
		*nowhere = 1; /* line: crash */
}

int main(void)
{
	crash(3);
	return 0;
}
