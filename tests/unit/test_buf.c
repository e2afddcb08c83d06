/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>

#include "stub/base/buf.h"

Test(buf, hex_is_right_for_every_byte_at_every_place)
{
	uint8_t data[300];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 3);
	for (size_t start = 0; start < 20; start++) {
		for (size_t n = 0; n + start <= sizeof(data); n += 13) {
			_cleanup_buf_ struct buf b = { 0 };
			buf_put_hex(&b, data + start, n);
			cr_assert_eq(b.len, 2 * n);
			for (size_t i = 0; i < n; i++) {
				char want[3];
				snprintf(want, sizeof(want), "%02x", data[start + i]);
				cr_assert_arr_eq(b.data + 2 * i, want, 2);
			}
		}
	}
}
