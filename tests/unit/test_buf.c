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

Test(buf, xml_text_is_escaped_and_what_xml_cannot_hold_is_replaced)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "plain", "plain" },
		{ "<&>\"'", "&lt;&amp;&gt;&quot;&apos;" },
		{ "\t\n\r", "&#9;&#10;&#13;" },
		{ "a\x01\x1f z", "a\xef\xbf\xbd\xef\xbf\xbd z" },
		{ "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d",
		  "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d" },
		{ "\xc3", "\xef\xbf\xbd" },				    /* cut off */
		{ "\xa9z", "\xef\xbf\xbdz" },				    /* no start */
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },		    /* overlong */
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
		{ "\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* no character */
		{ "\xf5\x80\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz" },
		{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_buf_ struct buf b = { 0 };
		buf_put_xml(&b, cases[i].text);
		buf_put(&b, "", 1);
		cr_assert_str_eq((const char *)b.data, cases[i].want, "case %zu", i);
	}
}
