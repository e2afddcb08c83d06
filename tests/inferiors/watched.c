/* SPDX-License-Identifier: MIT */
/*
 * watched: writes and reads `area' in every size at every offset, one after another:
 * turn = 2 * (9 * log2(size) + offset) for the write to area + 16 + offset, and one more
 * for the read that follows.  done() is called at the end.
 */
#include <stdint.h>

volatile unsigned char area[64] __attribute__((aligned(64)));
volatile unsigned long turn;

__attribute__((noinline)) void done(void)
{
	turn++;
}

/* clang-format off */
#define ACCESS(type)                                                       \
	__attribute__((noinline)) static void access_##type(volatile unsigned char *at) \
	{                                                                  \
		volatile type *p = (volatile type *)at;                    \
		turn++;                                                    \
		*p = (type)0x55;                                           \
		turn++;                                                    \
		(void)*p;                                                  \
	}
/* clang-format on */
ACCESS(uint8_t)
ACCESS(uint16_t)
ACCESS(uint32_t)
ACCESS(uint64_t)

int main(void)
{
	void (*const access[])(volatile unsigned char *at) = { access_uint8_t, access_uint16_t,
							       access_uint32_t, access_uint64_t };

	for (int i = 0; i < 4; i++)
		for (int offset = 0; offset < 9; offset++)
			access[i](area + 16 + offset);
	done();
	return 0;
}
