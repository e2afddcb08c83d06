/* SPDX-License-Identifier: MIT */
/* Source lines: files, encodings, their places in a text; and chosen frames. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/choice.h"
#include "stub/source.h"

static char folder[64];
static struct source source;
static struct buf out;

static void setup(void)
{
	strcpy(folder, "/tmp/source-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	source.root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	source.cwd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	char command[128];
	source_close(&source);
	buf_deinit(&out);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}
TestSuite(source, .init = setup, .fini = teardown);

static void write_file(const char *name, const char *data, size_t len)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
}

/* Line @n of a file with this content; "-" if it has none. */
static const char *line_of(const char *data, size_t len, int n)
{
	static int made;
	char name[32];
	snprintf(name, sizeof(name), "/f%d.py", made++);
	write_file(name + 1, data, len);
	buf_clear(&out);
	if (!source_line(source_file(&source, name), n, &out))
		buf_puts(&out, "-");
	buf_put(&out, "", 1);
	return (const char *)out.data;
}
#define LINE_OF(text, n) line_of(text, sizeof(text) - 1, n)

Test(source, lines_end_in_any_of_three_ways)
{
	static const char text[] = "a\nb\r\nc\rd\n\ne";
	static const char *const lines[] = { "-", "a", "b", "c", "d", "", "e", "-" };
	for (int i = 0; i < 8; i++)
		cr_expect_str_eq(LINE_OF(text, i), lines[i], "line %d", i);
	cr_expect_str_eq(LINE_OF("", 1), "-");
	cr_expect_str_eq(LINE_OF("x\n", 2), "-");
	cr_expect_str_eq(LINE_OF("x", -1), "-");
}

Test(source, what_a_file_says_of_its_encoding_is_honoured)
{
	cr_expect_str_eq(LINE_OF("x = '\xc3\xa9'", 1), "x = 'é'");
	cr_expect_str_eq(LINE_OF("x = '\xe9'", 1), "x = '\\xe9'");
	cr_expect_str_eq(LINE_OF("# -*- coding: latin-1 -*-\nx = '\xe9'", 2), "x = 'é'");
	cr_expect_str_eq(
		LINE_OF("#!/usr/bin/python\n# vim: set fileencoding=ISO_8859-1 :\n\xe9", 3), "é");
	cr_expect_str_eq(LINE_OF("# coding: koi8-r\n\xc1 = 1", 2), "\\xc1 = 1");
	cr_expect_str_eq(LINE_OF("\n\n# coding: latin-1\n\xe9", 4), "\\xe9", "too late");
	cr_expect_str_eq(LINE_OF("# encoding latin-1, coding:\n\xe9", 2), "\\xe9");
	cr_expect_str_eq(LINE_OF("\xef\xbb\xbfimport x", 1), "import x");
	cr_expect_str_eq(LINE_OF("# coding", 1), "# coding");
	cr_expect_str_eq(LINE_OF("# coding:\0", 1), "# coding:\\x00");
}

Test(source, nothing_in_a_line_can_command_a_terminal)
{
	cr_expect_str_eq(LINE_OF("\tx = 1 # \x1b[31m\x07", 1), "\tx = 1 # \\x1b[31m\\x07");
}

Test(source, what_is_no_file_is_not_read)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/pipe", folder);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(source_file(&source, "/pipe")->os_errno, EINVAL);
	cr_expect_eq(source_file(&source, "/")->os_errno, EINVAL);
	cr_expect_eq(source_file(&source, "/absent")->os_errno, ENOENT);
	cr_expect_eq(source_file(&source, "/absent")->nlines, 0);
	cr_expect_eq(source_file(&source, "")->os_errno, ENOENT);
}

Test(source, no_name_leads_out_of_the_root)
{
	write_file("in.py", "inside", 6);
	cr_expect_eq(source_file(&source, "/../../in.py")->nlines, 1);
	cr_expect_eq(source_file(&source, "../../in.py")->nlines, 1);
	cr_expect_eq(source_file(&source, "in.py")->nlines, 1);
	cr_expect_eq(source_file(&source, "../../../../etc/passwd")->nlines, 0);
}

Test(source, a_file_is_read_once)
{
	write_file("once.py", "1\n", 2);
	const struct source_file *first = source_file(&source, "/once.py");
	write_file("once.py", "1\n2\n", 4);
	cr_expect_eq(source_file(&source, "/once.py"), first);
	cr_expect_eq(first->nlines, 1);
}

/* ---- in a text ---- */

static bool echo(void *ctx, const char *file, int32_t number, struct buf *ret)
{
	(void)ctx;
	buf_printf(ret, "%s:%d", file, number);
	return number != 13;
}

static const struct py_quote_source echoes = { .line = echo };

static const char *quote(const struct py_quotes *q, const struct buf *text)
{
	buf_clear(&out);
	py_quotes_put(q, text, &echoes, &out);
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

Test(source, lines_go_where_they_were_asked_for)
{
	struct py_quotes q = { 0 };
	struct buf text = { 0 };
	buf_puts(&text, "one\n");
	py_quotes_want(&q, &text, "a.py", 1, NULL);
	buf_puts(&text, "two\n");
	py_quotes_want(&q, &text, "b.py", 13, NULL);
	py_quotes_want(&q, &text, "b.py", -1, NULL);
	buf_puts(&text, "three\n");
	py_quotes_want(&q, &text, "a.py", 3, NULL);
	py_quotes_want(&q, &text, "<stdin>", 1, "known");
	cr_expect_str_eq(quote(&q, &text), "one\n    a.py:1\ntwo\nthree\n    a.py:3\n    known\n");
	text.len = 3; /* what was cut off takes its lines with it */
	cr_expect_str_eq(quote(&q, &text), "one");
	py_quotes_deinit(&q);
	py_quotes_want(NULL, &text, "a.py", 1, NULL);
	buf_deinit(&text);
}

Test(source, of_too_many_files_the_rest_is_left_out)
{
	struct py_quotes q = { 0 };
	struct buf text = { 0 };
	char name[16];
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "%d", i % 1000);
		py_quotes_want(&q, &text, name, 1, NULL);
	}
	cr_expect_eq(q.nfiles, PY_QUOTE_FILES);
	cr_expect_eq(q.n, 2 * PY_QUOTE_FILES);
	py_quotes_deinit(&q);
}

/* ---- chosen frames ---- */

Test(source, a_choice_is_good_for_its_thread_and_stop)
{
	struct choices c = { 0 };
	cr_expect_eq(choice_get(&c, 5, 42), 0);
	choice_set(&c, 5, 42, 3);
	choice_set(&c, 5, 43, 1);
	cr_expect_eq(choice_get(&c, 5, 42), 3);
	choice_set(&c, 5, 42, 2);
	cr_expect_eq(choice_get(&c, 5, 42), 2);
	cr_expect_eq(choice_get(&c, 6, 42), 0);
	choice_set(&c, 6, 44, 7);
	cr_expect_eq(choice_get(&c, 6, 43), 0);
	for (pid_t tid = 100; tid < 200; tid++)
		choice_set(&c, 6, tid, (size_t)tid);
	cr_expect_eq(choice_get(&c, 6, 44), 0);
	cr_expect_eq(choice_get(&c, 6, 199), 199);
}
