/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "stub/base/maps.h"

static struct err *parse(const char *text, struct maps *ret)
{
	return maps_parse(text, strlen(text), ret);
}

Test(maps, a_line_tells_the_range_the_rights_the_file_and_the_place_in_it)
{
	struct maps m = { 0 };
	cr_assert_null(
		parse("7f0123456000-7f0123458000 r-xp 0001f000 fe:1a 4711    /usr/lib/a b.so\n"
		      "7ffd00000000-7ffd00001000 rw-s 00000000 00:00 0 \n",
		      &m));
	cr_assert_eq(m.n, 2);
	cr_assert_eq(m.map[0].start, 0x7f0123456000);
	cr_assert_eq(m.map[0].end, 0x7f0123458000);
	cr_assert_eq(m.map[0].prot, MAP_R | MAP_X);
	cr_assert_eq(m.map[0].offset, 0x1f000);
	cr_assert_eq(m.map[0].dev, 0xfeull << 32 | 0x1a);
	cr_assert_eq(m.map[0].inode, 4711);
	cr_assert_str_eq(m.map[0].path, "/usr/lib/a b.so");
	cr_assert_eq(m.map[1].prot, MAP_R | MAP_W | MAP_SHARED_MEM);
	cr_assert_str_eq(m.map[1].path, "");
	maps_deinit(&m);
}

Test(maps, a_line_that_is_none_is_an_error)
{
	static const char *const lines[] = {
		"garbage",
		"1000 2000 r-xp 0 0:0 0",
		"1000-2000 r-x",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0 0:0 ",
		"1000-2000 r-xp 0 0 0",
		"2000-1000 r-xp 0 0:0 0",
		"1000-1000 r-xp 0 0:0 0",
		"-1000-2000 r-xp 0 0:0 0",
		"1000-2000 r-xp 0 0:0 x",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct maps m = { 0 };
		struct err *err = parse(lines[i], &m);
		cr_assert_not_null(err, "%s", lines[i]);
		err_drop(err);
	}
}

Test(maps, the_program_is_the_lowest_file_whatever_memory_lies_lower)
{
	struct maps m = { 0 };
	cr_assert_null(parse("20000000000-20040000000 rw-p 00000000 00:00 0\n"
			     "55d000000000-55d000001000 r--p 00000000 fe:00 12 /usr/bin/p\n"
			     "7f0000000000-7f0000001000 r--p 00000000 fe:00 13 /usr/lib/l.so\n",
			     &m));
	cr_assert_eq(maps_program(&m), &m.map[1]);
	maps_deinit(&m);
	cr_assert_null(maps_program(&m));
}
