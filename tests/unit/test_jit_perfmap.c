/* SPDX-License-Identifier: MIT */
/* The names that a runtime gives to its code. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/perfmap.h"

static void parse(struct perfmap *m, const char *text)
{
	perfmap_parse(m, strdup(text), strlen(text));
}

static void check(const struct perfmap *m, uint64_t addr, const char *want)
{
	char name[PERFMAP_NAME_MAX] = "";
	cr_assert_eq(perfmap_name(m, addr, name), want != NULL, "0x%llx", (unsigned long long)addr);
	if (want)
		cr_assert_str_eq(name, want);
}

Test(jit_perfmap, code_is_named_by_the_last_line_about_its_begin)
{
	struct perfmap m = { 0 };
	parse(&m,
	      "7f0000001000 20 py::f:/a b.py\n7f0000000000 0x10 first\n7f0000001000 30 second\n");
	check(&m, 0x7f0000000000, "first");
	check(&m, 0x7f0000001000, "second");
	check(&m, 0x7f0000001008, NULL);
	check(&m, 0x7f0000002000, NULL);
	perfmap_deinit(&m);
}

Test(jit_perfmap, lines_that_are_none_are_left_out)
{
	struct perfmap m = { 0 };
	char name[PERFMAP_NAME_MAX];
	parse(&m,
	      "\n10\n20 1\n30 1 \nxyz 1 a\n11112222333344445 1 long\n40 1 a\tb\n50 1 unfinished");
	cr_assert_eq(m.n, 1);
	check(&m, 0x40, "a?b");
	check(&m, 0x50, NULL);
	char *huge = malloc(5000);
	memset(huge, 'x', 5000);
	memcpy(huge, "60 1 ", 5);
	huge[4999] = '\n';
	perfmap_parse(&m, huge, 5000);
	cr_assert(perfmap_name(&m, 0x60, name));
	cr_assert_eq(strlen(name), PERFMAP_NAME_MAX - 1);
	perfmap_deinit(&m);
}
