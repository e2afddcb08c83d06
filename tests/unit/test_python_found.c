/* SPDX-License-Identifier: MIT */
/*
 * Finding the runtime where there is less to go by than in a live process with all
 * its files: recorded memory, as if it were read from something poorer.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "tests/fake/tiny_elf.h"
#include "tests/mem/recorded.h"

#define GRAIN 8u /* what was recorded begins and ends at multiples of this */

static glob_t files;
static struct recorded rec;
static struct tiny_elf elf;
static uint64_t elf_at;	  /* 0: not there */
static bool written_only; /* as in a core: of a file only what the process may write */
static struct mem mem;
static struct space space;
static struct python *py;
static struct buf out;

/* Up to GRAIN bytes; writable memory that was not recorded reads as zeros. */
static bool read_grain(uint64_t addr, uint8_t *ret, size_t n)
{
	if (elf_at && addr >= elf_at && addr + n <= elf_at + sizeof(elf)) {
		memcpy(ret, (const uint8_t *)&elf + (addr - elf_at), n);
		return true;
	}
	const struct map *m = maps_find(&rec.maps, addr);
	bool writable = m && m->prot & MAP_W;
	if (m && m->inode && !writable && written_only)
		return false;
	const uint8_t *p = recorded_at(&rec, addr, n);
	if (!p && !writable)
		return false;
	if (p)
		memcpy(ret, p, n);
	else
		memset(ret, 0, n);
	return true;
}

static size_t read_world(void *ctx, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;
	(void)ctx;
	while (done < len) {
		size_t n = GRAIN - (addr + done) % GRAIN;
		n = n < len - done ? n : len - done;
		if (!read_grain(addr + done, (uint8_t *)buf + done, n))
			break;
		done += n;
	}
	return done;
}

static const struct mem_ops world_ops = { .read = read_world };

static void open_world(const char *path)
{
	cr_assert(recorded_load(path, &rec), "%s", path);
	cr_assert_null(mem_init(&mem, &world_ops, NULL, 8));
	mem_deinit(&mem); /* no page cache: what is not there begins in mid-page */
	space = rec.space;
	space.mem = &mem;
	cr_assert_null(python_create(&py));
	written_only = false;
	elf_at = 0;
}

static void close_world(void)
{
	python_destroy(py);
	py = NULL;
	recorded_free(&rec);
	buf_deinit(&out);
}

static void setup(void)
{
	cr_assert_eq(glob("tests/mem/*.mem", 0, NULL, &files), 0, "no recordings");
}

static void teardown(void)
{
	close_world();
	globfree(&files);
}
TestSuite(python_found, .init = setup, .fini = teardown);

#define for_each_recording(i)                                                           \
	for (size_t i = 0; i < files.gl_pathc && (open_world(files.gl_pathv[i]), true); \
	     close_world(), i++)

static const struct py_snapshot *walk(void)
{
	const struct py_snapshot *snap;
	mem_invalidate(&mem);
	space.epoch++;
	struct err *err = python_walk(py, &space, NULL, &snap);
	cr_assert_null(err, "%s", err ? err->msg : "");
	return snap;
}

static void fail_to_walk(void)
{
	const struct py_snapshot *snap;
	mem_invalidate(&mem);
	space.epoch++;
	struct err *err = python_walk(py, &space, NULL, &snap);
	cr_assert(err_catch(&err, ERR_NOT_FOUND));
}

/* What the frames are, in a few numbers. */
static uint64_t sum_of(const struct py_snapshot *snap)
{
	uint64_t sum = snap->nthreads;
	for (size_t i = 0; i < snap->nframes; i++) {
		const struct py_frame *f = &snap->frames[i];
		sum = sum * 31 + f->addr + (uint64_t)f->pos.line;
		for (const char *p = f->name; *p; p++)
			sum = sum * 31 + (uint8_t)*p;
		cr_expect_not(f->corrupt, "%s", f->name);
	}
	return sum;
}

Test(python_found, without_any_file_the_stacks_are_the_same)
{
	for_each_recording(i)
	{
		const char *path = files.gl_pathv[i];
		const struct py_snapshot *snap = walk();
		uint64_t want = sum_of(snap);
		bool cookie = snap->version_hex >= 0x030d0000;
		/* What lies beside the head of the interpreters was not always recorded. */
		uint64_t head = py->rt.addr + py->rt.off.runtime.interpreters_head;
		if (!recorded_at(&rec, head + 8, 8))
			continue;
		written_only = true;
		py->builds = (struct py_builds){ 0 };
		snap = walk();
		cr_expect_str_eq(snap->found_by, py_way_name(cookie ? PY_BY_COOKIE : PY_BY_THREADS),
				 "%s: %s", path, snap->found_by);
		cr_expect_eq(sum_of(snap), want, "%s", path);
	}
}

Test(python_found, a_cookie_outside_of_a_file_s_segments_is_not_believed)
{
	for_each_recording(i)
	{
		if (walk()->version_hex < 0x030d0000)
			continue;
		written_only = true;
		py->builds = (struct py_builds){ 0 };
		for (size_t k = 0; k < rec.maps.n; k++)
			rec.maps.map[k].inode = 0;
		fail_to_walk();
	}
}

static uint8_t *runtime_at(uint64_t offset)
{
	uint8_t *p = recorded_at(&rec, py->rt.addr + offset, 8);
	cr_assert_not_null(p);
	return p;
}

static const char *text(void)
{
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

Test(python_found, a_newer_version_is_tried_and_marked_everywhere)
{
	static const uint64_t newer = 0x031000f0;
	open_world("tests/mem/3.15.2-debian.mem");
	uint64_t want = sum_of(walk());
	memcpy(runtime_at(8), &newer, sizeof(newer));
	const struct py_snapshot *snap = walk();
	cr_expect_str_eq(snap->version, "3.16.0");
	cr_expect_not(snap->verified);
	cr_expect_eq(sum_of(snap), want);
	cr_assert_null(python_stacks_text(py, &space, 0, NULL, &out));
	cr_expect(strstr(text(), "Python 3.16.0 (unverified)"));
	buf_clear(&out);
	cr_assert_null(python_frames_document(py, &space, "", &out));
	cr_expect(strstr(text(), "verified=\"no\""));
	buf_clear(&out);
	cr_assert_null(python_frames_document(py, &space, ";format=json", &out));
	cr_expect(strstr(text(), "\"verified\":false"));
	buf_clear(&out);
	pid_t tid = rec.threads[0].tid;
	const struct python_view view = { .py = py, .space = &space, .tid = tid };
	cr_assert_null(python_bt_text(&view, "", &out));
	cr_expect(strstr(text(), "(unverified)"));
}

/* ---- build-ids ---- */

/* An image of one page, below all there is, that claims to reach beyond the runtime. */
static void add_image(void)
{
	struct maps *maps = &rec.maps;
	tiny_elf_make(&elf, true);
	elf_at = (maps->map[0].start & ~0xfffull) - 0x10000;
	elf.ph[0].p_memsz = py->rt.addr + 0x1000 - elf_at;
	elf.ph[1].p_type = PT_NULL; /* no symbols */
	struct map *map = calloc(maps->n + 1, sizeof(*map));
	cr_assert_not_null(map);
	memcpy(&map[1], maps->map, maps->n * sizeof(*map));
	map[0] = (struct map){ .start = elf_at,
			       .end = elf_at + 0x1000,
			       .inode = 1,
			       .prot = MAP_R,
			       .path = strdup("/usr/bin/program") };
	free(maps->map);
	maps->map = map;
	maps->n++;
}

/* Leaves nothing to find the runtime by but the first image. */
static void hide_the_rest(void)
{
	for (size_t k = 1; k < rec.maps.n; k++)
		rec.maps.map[k].inode = 0;
}

Test(python_found, a_program_seen_before_is_not_searched)
{
	for_each_recording(i)
	{
		uint64_t want = sum_of(walk());
		if (py->rt.current || py->rt.gc_collecting)
			continue; /* 3.6 keeps more than one thing to find */
		add_image();
		py->builds = (struct py_builds){ 0 };
		want = sum_of(walk());
		cr_assert_neq(py->builds.seen[0].id_len, 0);
		hide_the_rest();
		const struct py_snapshot *snap = walk();
		cr_expect_str_eq(snap->found_by, py_way_name(PY_BY_BUILD));
		cr_expect_eq(sum_of(snap), want);
		elf.build_id.desc[3] ^= 1;
		if (snap->version_hex >= 0x030d0000)
			fail_to_walk();
	}
}

Test(python_found, few_programs_are_remembered)
{
	open_world("tests/mem/3.15.2-debian.mem");
	walk();
	add_image();
	struct py_builds b = { 0 };
	struct py_runtime rt = py->rt, got;
	for (uint8_t n = 0; n < 3 * PY_BUILDS_MAX; n++) {
		elf.build_id.desc[0] = n;
		py_builds_note(&b, &space, &rt);
		py_builds_note(&b, &space, &rt);
	}
	hide_the_rest();
	for (uint8_t n = 0; n < 3 * PY_BUILDS_MAX; n++) {
		elf.build_id.desc[0] = n;
		cr_expect_eq(py_builds_find(&b, &space, &got), n >= 2 * PY_BUILDS_MAX, "%u", n);
	}
}

Test(python_found, what_was_remembered_is_judged_again)
{
	static const uint64_t nothing[4];
	open_world("tests/mem/3.15.2-debian.mem");
	walk();
	add_image();
	py->builds = (struct py_builds){ 0 };
	walk();
	hide_the_rest();
	memcpy(runtime_at(py->rt.off.runtime.interpreters_head), nothing, 8);
	fail_to_walk();
}
