/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>

#include "qxfer/python/condition.h"

/* 1: it holds; 0: it does not; -1: it is refused. */
static int ask(const char *text)
{
	const struct py_condition *c;
	const struct py_frame frame = { 0 };
	struct py_values v = { 0 };
	struct arena arena = { 0 };
	bool holds = false;

	struct err *err = py_condition_parse(text, &arena, &c);
	if (!err)
		err = py_condition_holds(&v, &frame, c, &holds);
	arena_deinit(&arena);
	int ret = err ? -1 : holds;
	err_drop(err);
	return ret;
}

static void expect(const char *text, int ret)
{
	cr_expect_eq(ask(text), ret, "%s: %d", text, ask(text));
}

Test(condition, numbers_compare_as_in_python)
{
	expect("1 == 1", 1);
	expect("1 == 1.0", 1);
	expect("True == 1", 1);
	expect("2 < 1", 0);
	expect("2 >= 2", 1);
	expect("-1 < 0.5", 1);
	expect("3 != 3", 0);
	expect("1<2", 1);
}

Test(condition, texts_compare_by_their_characters)
{
	expect("'a' == 'a'", 1);
	expect("'a' < 'ab'", 1);
	expect("'b' > \"ab\"", 1);
	expect("'a and b' == 'a and b'", 1);
	expect("'it\\'s (' != ') or ('", 1);
	expect("'a' == 1", 0);
	expect("'a' < 1", -1);
	expect("'\xc3\xa4' == '\xc3\xa4'", 1);
}

Test(condition, none_is_none)
{
	expect("None is None", 1);
	expect("None is not None", 0);
	expect("None == None", 1);
	expect("None == 0", 0);
	expect("1 is 1", -1);
}

Test(condition, truth_is_that_of_bool)
{
	expect("0", 0);
	expect("1.5", 1);
	expect("''", 0);
	expect("'x'", 1);
	expect("None", 0);
	expect("()", 0);
	expect("(0,)", 1);
	expect("...", 1);
}

Test(condition, and_binds_closer_than_or_and_not_closer_than_both)
{
	expect("1 or 0 and 0", 1);
	expect("(1 or 0) and 0", 0);
	expect("not 1 == 2", 1);
	expect("not 0 and 0", 0);
	expect("not (0 and 0)", 1);
	expect("not not 1", 1);
	expect("0 or 0 or 3 == 3", 1);
	expect("((1 == 1))", 1);
}

Test(condition, the_second_part_is_asked_only_if_it_counts)
{
	expect("1 or 'a' < 1", 1);
	expect("0 and 'a' < 1", 0);
	expect("1 and 'a' < 1", -1);
}

Test(condition, a_tuple_is_looked_through)
{
	expect("2 in (1, 2, 3)", 1);
	expect("2 not in (1, 2, 3)", 0);
	expect("'x' in ('a', 'b')", 0);
	expect("1 in 5", -1);
}

Test(condition, words_that_only_look_like_operators_are_names)
{
	struct py_simple_condition s;
	const struct py_condition *c;
	struct arena arena = { 0 };

	cr_assert_null(py_condition_parse("order_in_and == 5", &arena, &c));
	cr_assert(py_condition_simple(c, &s));
	cr_expect_str_eq(s.name, "order_in_and");
	cr_expect_eq(s.relation, PY_EQ);
	cr_expect_eq(s.number, 5);
	cr_assert_null(py_condition_parse("a.b == 5", &arena, &c));
	cr_expect_not(py_condition_simple(c, &s));
	cr_assert_null(py_condition_parse("a == b", &arena, &c));
	cr_expect_not(py_condition_simple(c, &s));
	arena_deinit(&arena);
}

Test(condition, what_is_none_is_refused)
{
	expect("", -1);
	expect("1 ==", -1);
	expect("== 1", -1);
	expect("1 == 1 == 1", -1);
	expect("1 +", -1);
	expect("1 and", -1);
	expect("not", -1);
	expect("(1 == 1", -1);
	expect("1 == 1)", -1);
	expect("'a", -1);
	expect("x = 1", -1);
}

Test(condition, nesting_has_an_end)
{
	char text[4096] = "";
	for (size_t i = 0; i + 4 < sizeof(text); i += 4)
		snprintf(text + i, sizeof(text) - i, "not ");
	expect(text, -1);
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = i < sizeof(text) / 2 ? '(' : ')';
	expect(text, -1);
	for (size_t i = 0; i + 5 < sizeof(text); i += 5)
		snprintf(text + i, sizeof(text) - i, "1or 1");
	(void)ask(text);
}
