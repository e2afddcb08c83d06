/* SPDX-License-Identifier: MIT */
/*
 * Objects of the standard library read from recorded memory, beside what their repr()
 * was: tests/mem/library.py, blocked in block().
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "qxfer/python.h"
#include "qxfer/python/locals.h"
#include "qxfer/python/state.h"
#include "qxfer/python/values_priv.h"
#include "tests/mem/recorded.h"

static struct recorded rec;
static struct python *py;
static struct buf out;

static void open_recording(const char *path)
{
	cr_assert(recorded_load(path, &rec), "%s", path);
	cr_assert_null(python_create(&py));
}

static void close_recording(void)
{
	python_destroy(py);
	py = NULL;
	recorded_free(&rec);
	buf_deinit(&out);
}

TestSuite(python_library, .fini = close_recording);

static const struct py_frame *frame_of(const char *function)
{
	const struct py_snapshot *snap;
	cr_assert_null(python_walk(py, &rec.space, NULL, &snap));
	for (size_t i = 0; i < snap->nframes; i++)
		if (strcmp(snap->frames[i].name, function) == 0)
			return &snap->frames[i];
	cr_assert_fail("no frame of %s", function);
	return NULL;
}

/* "name = value" with 0x for every address. */
static void put_line(void *arg, const struct py_local *local)
{
	bool *masked = arg;
	if (!local->addr)
		return;
	buf_puts(&out, local->name);
	buf_puts(&out, " = ");
	for (const char *p = local->repr; *p; p++) {
		buf_put(&out, p, 1);
		if (!*masked || p[0] != '0' || p[1] != 'x')
			continue;
		buf_put(&out, "x", 1);
		for (p++; isxdigit((unsigned char)p[1]); p++)
			;
	}
	buf_puts(&out, "\n");
}

static const char *show(const char *function, const struct py_limits *limits)
{
	struct py_values v;
	bool masked = true;
	const struct py_frame *f = frame_of(function);
	buf_clear(&out);
	cr_assert_null(python_values(py, &rec.space, limits, &v));
	cr_assert_null(py_locals_visit(&v, f, put_line, &masked));
	py_values_end(&v);
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

/* The line about @name in the text at @path; to be freed. */
static char *truth_of(const char *path, const char *name)
{
	char *line = NULL;
	size_t room = 0, len = strlen(name);
	FILE *f = fopen(path, "r");
	cr_assert(f, "%s", path);
	while (getline(&line, &room, f) > 0) {
		if (strncmp(line, name, len) == 0 && strncmp(line + len, " = ", 3) == 0) {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return line;
		}
	}
	free(line);
	fclose(f);
	return NULL;
}

/* Each shown line but those that differ by design is a line of the truth. */
static unsigned int compare(const char *path, const char *shown)
{
	unsigned int n = 0;
	char truth_path[200];
	snprintf(truth_path, sizeof(truth_path), "%.*s.txt", (int)strlen(path) - 4, path);
	char *copy = strdup(shown), *save = NULL;
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char name[64];
		cr_assert_eq(sscanf(l, "%63s =", name), 1);
		char *truth = truth_of(truth_path, name);
		bool marked = !truth || strstr(truth, "Base object at") || !strcmp(name, "path");
		cr_expect(marked || strcmp(truth, l) == 0, "%s:\nshown %s\ntruth %s", path, l,
			  truth);
		n += !marked;
		free(truth);
	}
	free(copy);
	return n;
}

static void each_recording(void (*look)(const char *path))
{
	glob_t files;
	cr_assert_eq(glob("tests/mem/library/*.mem", 0, NULL, &files), 0, "no recordings");
	for (size_t i = 0; i < files.gl_pathc; i++) {
		open_recording(files.gl_pathv[i]);
		look(files.gl_pathv[i]);
		close_recording();
	}
	globfree(&files);
}

static void is_true(const char *path)
{
	const char *shown = show("library", NULL);
	cr_expect_geq(compare(path, shown), 28, "%s", path);
	cr_expect(strstr(shown, "base = <Base at 0x>") ||
			  strstr(shown, "base = <__main__.Base object at 0x>"),
		  "%s", shown);
	/* 7 ** 5200 */
	cr_expect(strstr(shown, "long = <int of 14599 bits at 0x>"), "%s", shown);
}

Test(python_library, each_object_is_shown_as_repr_has_it)
{
	each_recording(is_true);
}

static void is_bounded(const char *path)
{
	const struct py_limits few = { .items = 1, .chars = 2, .bytes = 30, .reads = 300 };
	const char *shown = show("library", &few);
	cr_expect(strstr(shown, "..."), "%s:\n%s", path, shown);
	cr_expect_lt(strlen(shown), 12000, "%s: %zu bytes", path, strlen(shown));
}

Test(python_library, bounds_hold_for_each_object)
{
	each_recording(is_bounded);
}

/* Whatever is in memory, there is a text, and reading it ends. */
static void survives(const char *path)
{
	unsigned int seed = 1;
	(void)path;
	for (int round = 0; round < 400; round++) {
		uint8_t *at[8], was[8];
		for (int i = 0; i < 8; i++) {
			struct recorded_range *r = &rec.range[(size_t)rand_r(&seed) % rec.nranges];
			at[i] = r->data + (size_t)rand_r(&seed) % r->len;
			was[i] = *at[i];
			*at[i] = (uint8_t)rand_r(&seed);
		}
		mem_invalidate(&rec.mem);
		buf_clear(&out);
		struct err *err = python_frames_document(py, &rec.space, ";locals", &out);
		err_drop(err);
		cr_expect_lt(out.len, 2u << 20);
		for (int i = 8; i-- > 0;)
			*at[i] = was[i];
	}
}

Test(python_library, damaged_objects_do_no_harm)
{
	each_recording(survives);
}

Test(python_library, a_lock_of_another_size_has_the_row_of_its_own_point_release)
{
	const struct py_layout *row = NULL;
	for (size_t i = 0; i < py_layout_rows; i++)
		if (py_layout_table[i].version_hex == 0x030d00f0)
			row = &py_layout_table[i];
	cr_assert(row);
	cr_assert_eq(row->lock.size, 40);
	const struct py_layout *later = py_layout_of_lock(row, 24);
	cr_assert(later);
	cr_expect_eq(later->locked_mask, 1);
	cr_expect_null(py_layout_of_lock(row, 17));
}
