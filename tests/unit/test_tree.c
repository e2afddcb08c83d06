/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"
#include "qxfer/tree.h"

static struct buf out;

static void teardown(void)
{
	buf_deinit(&out);
}
TestSuite(tree, .fini = teardown);

/* A document of one element with one field. */
static const char *document(bool json, const char *text)
{
	struct tree t;
	buf_clear(&out);
	tree_begin(&t, &out, json, "x SYSTEM \"x.dtd\"");
	tree_open(&t, "x");
	tree_text(&t, "f", text);
	tree_close(&t);
	tree_end(&t);
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

Test(tree, markup_is_escaped_in_each_form)
{
	cr_expect(strstr(document(false, "<a b=\"c\">&'\\]]>"),
			 "f=\"&lt;a b=&quot;c&quot;&gt;&amp;&apos;\\]]&gt;\""));
	cr_expect(
		strstr(document(true, "<a b=\"c\">&'\\]]>"), "\"f\":\"<a b=\\\"c\\\">&'\\\\]]>\""));
}

Test(tree, characters_that_a_form_cannot_have_are_replaced)
{
	cr_expect(strstr(document(false, "a\x01z\n\xff\xed\xa0\x80"), "f=\"a\xef\xbf\xbdz&#10;"));
	cr_expect(
		strstr(document(true, "a\x01z\n\x7f\xff"), "a\\u0001z\\u000a\\u007f\xef\xbf\xbd"));
}

/* Valid UTF-8, no control character but a newline between tags. */
static void expect_clean(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = buf_utf8_len(p);
		cr_assert(n, "not UTF-8: %s", text);
		cr_assert(*p >= ' ' || *p == '\n', "a control character");
		p += n;
	}
}

/* What is between the quotes of the field is no more than one string. */
static void expect_json_string(const char *text)
{
	const char *p = strstr(text, "\"f\":\"");
	cr_assert(p);
	for (p += 5; *p && *p != '"'; p++) {
		if (*p != '\\')
			continue;
		p++;
		cr_assert(*p && strchr("\"\\u", *p), "an escape that JSON has not: %s", text);
	}
	cr_assert_eq(*p, '"');
	cr_assert(p[1] == '}', "the string ends early: %s", text);
}

static void expect_xml_attribute(const char *text)
{
	const char *p = strstr(text, "f=\"");
	cr_assert(p);
	for (p += 3; *p && *p != '"'; p++) {
		cr_assert(*p != '<' && *p != '>', "markup: %s", text);
		cr_assert(*p != '&' || strchr("algq#", p[1]), "an entity: %s", text);
	}
	cr_assert_eq(p[0], '"');
	cr_assert(p[1] == '/' || p[1] == '>', "the value ends early: %s", text);
}

Test(tree, any_bytes_make_one_string_and_valid_text)
{
	static const char nasty[] = "\"\\<>&'\n\r\t\x01\x7f\x80\xc3\xa9\xed\xa0\xff\xef\xbf\xbe]u0";
	unsigned int seed = 1;
	for (int round = 0; round < 20000; round++) {
		char text[24];
		struct buf clean = { 0 };
		size_t n = (size_t)rand_r(&seed) % (sizeof(text) - 1);
		for (size_t i = 0; i < n; i++)
			text[i] =
				(char)(round % 2
					       ? nasty[(size_t)rand_r(&seed) % (sizeof(nasty) - 1)]
					       : 1 + rand_r(&seed) % 255);
		text[n] = '\0';
		expect_clean(document(true, text));
		expect_json_string((const char *)out.data);
		expect_clean(document(false, text));
		expect_xml_attribute((const char *)out.data);
		py_text_put_bytes(&clean, (const uint8_t *)text, n);
		buf_put(&clean, "", 1);
		expect_clean((const char *)clean.data);
		cr_assert_null(strchr((const char *)clean.data, '\n'));
		buf_deinit(&clean);
	}
}

Test(tree, every_code_point_makes_valid_text)
{
	for (uint32_t c = 1; c < 0x110010; c += c < 0x11000 ? 1 : 251) {
		buf_clear(&out);
		py_text_put(&out, c);
		buf_put(&out, "", 1);
		expect_clean((const char *)out.data);
	}
}
