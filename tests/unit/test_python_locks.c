/* SPDX-License-Identifier: MIT */
/* Locks read from recorded memory: tests/mem/locks.py, whose threads wait for each other. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <glob.h>
#include <stdio.h>

#include "qxfer/python.h"
#include "qxfer/python/locks.h"
#include "qxfer/python/state.h"
#include "tests/mem/recorded.h"

static glob_t files;
static struct recorded rec;
static struct python *py;
static struct py_locks locks;
static struct buf out;

static void open_recording(const char *path)
{
	cr_assert(recorded_load(path, &rec), "%s", path);
	cr_assert_null(python_create(&py));
}

static void close_recording(void)
{
	py_locks_free(&locks);
	python_destroy(py);
	py = NULL;
	recorded_free(&rec);
	buf_deinit(&out);
}

static void setup(void)
{
	cr_assert_eq(glob("tests/mem/locks/*.mem", 0, NULL, &files), 0, "no recordings");
}

static void teardown(void)
{
	close_recording();
	globfree(&files);
}
TestSuite(python_locks, .init = setup, .fini = teardown);

#define for_each_recording(i)                                                               \
	for (size_t i = 0; i < files.gl_pathc && (open_recording(files.gl_pathv[i]), true); \
	     close_recording(), i++)

static void find(void)
{
	py_locks_free(&locks);
	mem_invalidate(&rec.mem);
	struct err *err = python_locks(py, &rec.space, &locks);
	cr_assert_null(err, "%s", err ? err->msg : "");
}

/* The n-th wait of a thread that is called @name, which is its function. */
static const struct py_wait *wait_of(const char *name, size_t n)
{
	for (size_t i = 0; i < locks.nwaits; i++) {
		const struct py_wait *w = &locks.wait[i];
		if (w->thread->name && strcmp(w->thread->name, name) == 0 && n-- == 0)
			return w;
	}
	cr_assert_fail("no thread %s waits", name);
	return NULL;
}

static bool is_waiting(const char *name)
{
	for (size_t i = 0; i < locks.nwaits; i++)
		if (locks.wait[i].thread->name && strcmp(locks.wait[i].thread->name, name) == 0)
			return true;
	return false;
}

static void poke(uint64_t addr, const void *data, size_t len)
{
	uint8_t *p = recorded_at(&rec, addr, len);
	cr_assert_not_null(p, "0x%llx was not recorded", (unsigned long long)addr);
	memcpy(p, data, len);
}

/* ---- what is there ---- */

/* Numbers become #, those of lines stay. */
static const char *plain(const char *text)
{
	char before = '\n';
	buf_clear(&out);
	for (; *text; before = *text++) {
		bool first = before == ' ' || before == '=';
		if (!isdigit((unsigned char)*text) || !first) {
			buf_put(&out, text, 1);
			continue;
		}
		buf_puts(&out, "#");
		text += strspn(text, "0123456789abcdefx") - 1;
	}
	buf_put(&out, "", 1);
	return (const char *)out.data;
}

static const char expected[] =
	"Thread # \"MainThread\" in <module> (locks.py:91) waits for <Event at #> to be set\n"
	"Thread # \"first\" in first (locks.py:22) waits for <locked _thread.lock object at #>\n"
	"    held by thread # \"second\", by the with statement in second (locks.py:33)\n"
	"Thread # \"second\" in second (locks.py:35) waits for <locked _thread.lock object at #>\n"
	"    held by thread # \"first\", by the with statement in first (locks.py:20)\n"
	"Thread # \"third\" in third (locks.py:44) waits for <locked _thread.RLock object owner=# "
	"count=# at #>\n"
	"    held by thread # \"third\", by the with statement in third (locks.py:40)\n"
	"Thread # \"third\" in third (locks.py:44) waits for <locked _thread.RLock object owner=# "
	"count=# at #>\n"
	"    held by thread # \"third\", by the with statement in third (locks.py:40)\n"
	"Thread # \"taker\" in taker (locks.py:51) waits for <locked _thread.lock object at #>\n"
	"    maybe held by thread # \"taker\", which has it in taker (locks.py:51)\n"
	"Thread # \"taker\" in taker (locks.py:51) waits for <locked _thread.lock object at #>\n"
	"    maybe held by thread # \"taker\", which has it in taker (locks.py:51)\n"
	"Thread # \"notified\" in notified (locks.py:57) waits for <Condition at #> to be "
	"notified\n"
	"Thread # \"keeper\" in keeper (locks.py:63) waits for <Event at #> to be set\n"
	"Thread # \"getter\" in getter (locks.py:67) waits for <Queue at #>, not for ever\n"
	"Thread # \"joiner\" in joiner (locks.py:71) waits for the end of thread # \"first\"\n"
	"\n"
	"deadlock: # \"first\" -> # \"second\" -> # \"first\"\n"
	"deadlock: # \"third\" -> # \"third\" -> # \"third\"\n"
	"perhaps a deadlock: # \"taker\" -> # \"taker\" -> # \"taker\"\n";

Test(python_locks, every_recording_tells_who_waits_for_whom)
{
	for_each_recording(i)
	{
		struct buf text = { 0 };
		struct err *err = python_locks_text(py, &rec.space, &text);
		cr_assert_null(err, "%s: %s", files.gl_pathv[i], err ? err->msg : "");
		buf_put(&text, "", 1);
		cr_expect_str_eq(plain((const char *)text.data), expected, "%s:\n%s",
				 files.gl_pathv[i], text.data);
		buf_deinit(&text);
	}
}

/* ---- what must not be claimed ---- */

Test(python_locks, a_thread_that_left_the_kernel_waits_for_nothing)
{
	for_each_recording(i)
	{
		rec.ncalls = 0;
		find();
		cr_expect_eq(locks.nwaits, 0);
		cr_expect_eq(locks.ncycles, 0);
	}
}

Test(python_locks, without_system_calls_there_are_no_waits)
{
	for_each_recording(i)
	{
		rec.space.thread_syscall = NULL;
		find();
		cr_expect_eq(locks.nwaits, 0);
	}
}

Test(python_locks, another_system_call_on_the_same_address_is_no_wait)
{
	for_each_recording(i)
	{
		for (size_t k = 0; k < rec.ncalls; k++)
			rec.calls[k].call.nr = 7;
		find();
		cr_expect_eq(locks.nwaits, 0);
	}
}

Test(python_locks, waking_others_is_no_wait)
{
	for_each_recording(i)
	{
		for (size_t k = 0; k < rec.ncalls; k++)
			rec.calls[k].call.arg[1] = 1 | 128; /* FUTEX_WAKE */
		find();
		cr_expect_eq(locks.nwaits, 0);
	}
}

Test(python_locks, a_call_that_is_made_again_is_the_same_wait)
{
	for_each_recording(i)
	{
		find();
		size_t n = locks.nwaits, cycles = locks.ncycles;
		for (size_t k = 0; k < rec.ncalls; k++)
			rec.calls[k].call.nr = 219;
		find();
		cr_expect_eq(locks.nwaits, n);
		cr_expect_eq(locks.ncycles, cycles);
	}
}

Test(python_locks, a_lock_that_is_free_has_no_holder)
{
	for_each_recording(i)
	{
		find();
		const struct py_wait *w = wait_of("first", 0);
		uint32_t header = py->rt.off.object.var_size, one = 1;
		uint64_t word = w->lock + header, value = 0;
		cr_assert_null(mem_ptr(&rec.mem, word, &value));
		/* A semaphore counts up, a mutex has a bit. */
		if (value > 4096) {
			poke(value, &one, sizeof(one));
		} else {
			uint8_t zero = 0;
			poke(word, &zero, 1);
		}
		find();
		cr_expect_eq(wait_of("first", 0)->nholders, 0);
		cr_expect_eq(locks.ncycles, 2);
	}
}

Test(python_locks, a_lock_that_musl_says_is_waited_for_is_not_free)
{
	static const uint32_t marked[] = { 1u << 31, UINT32_MAX };
	for_each_recording(i)
	{
		find();
		uint32_t header = py->rt.off.object.var_size;
		uint64_t rlock = wait_of("third", 0)->lock, word = 0;
		cr_assert_null(mem_ptr(&rec.mem, rlock + header, &word));
		for (size_t k = 0; k < 2 && word > 4096; k++) { /* not a mutex */
			poke(word, &marked[k], sizeof(marked[k]));
			find();
			cr_expect_eq(wait_of("third", 0)->nholders, 1, "0x%x", marked[k]);
		}
	}
}

Test(python_locks, who_waits_to_be_notified_holds_nothing)
{
	for_each_recording(i)
	{
		find();
		for (size_t k = 0; k < locks.nwaits; k++)
			for (size_t n = 0; n < locks.wait[k].nholders; n++)
				cr_expect_str_neq(locks.wait[k].holder[n].thread->name, "notified");
	}
}

Test(python_locks, an_owner_that_is_no_thread_is_named_as_one_that_ended)
{
	for_each_recording(i)
	{
		find();
		uint64_t nobody = 0x1234560;
		poke(wait_of("third", 0)->lock + py->rt.off.object.var_size + 8, &nobody, 8);
		find();
		cr_expect_eq(wait_of("third", 0)->nholders, 0);
		cr_expect_eq(wait_of("third", 0)->owner, nobody);
	}
}

/* From 3.13 on: who was woken is taken out of the list before. */
Test(python_locks, who_was_taken_out_of_the_parking_lot_waits_no_more)
{
	for_each_recording(i)
	{
		find();
		const struct py_wait *w = wait_of("joiner", 0);
		pid_t tid = w->thread->tid;
		struct space_syscall call;
		uint64_t zero = 0;
		if (PY_MINOR(py->rt.off.version_hex) < 0x030d)
			continue;
		cr_assert(rec.space.thread_syscall(rec.space.ctx, tid, &call));
		poke(call.arg[0] + 32, &zero, 8);
		find();
		cr_expect(!is_waiting("joiner") || wait_of("joiner", 0)->kind == PY_WAIT_OTHER);
	}
}

/* ---- damage ---- */

/* Whatever is damaged: nobody waits for himself who did not, and no lock has two holders. */
static void look_at_damage(void)
{
	struct buf text = { 0 };
	mem_invalidate(&rec.mem);
	rec.space.epoch++;
	struct err *err = python_locks_text(py, &rec.space, &text);
	err_drop(err);
	buf_clear(&text);
	err = python_locks_document(py, &rec.space, ";format=json", &text);
	err_drop(err);
	buf_deinit(&text);
}

Test(python_locks, any_piece_of_memory_may_be_missing, .timeout = 120)
{
	for_each_recording(i)
	{
		for (size_t k = 0; k < rec.nranges; k++) {
			size_t len = rec.range[k].len;
			rec.range[k].len = 0;
			look_at_damage();
			rec.range[k].len = len;
		}
	}
}

Test(python_locks, any_word_of_memory_may_be_wrong, .timeout = 240)
{
	static const uint64_t wrong[] = { 0, 1, ~0ull, 1ull << 47, 0x7fffffff };
	uint64_t random = 12345;
	for_each_recording(i)
	{
		for (size_t n = 0; n < 150; n++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			struct recorded_range *r = &rec.range[(random >> 33) % rec.nranges];
			size_t at = (size_t)(random >> 20) % (r->len / 8) * 8;
			uint64_t was, is = wrong[n % 5];
			memcpy(&was, r->data + at, 8);
			if (n % 7 == 0)
				is = r->addr + (random >> 40) % 4096; /* somewhere near */
			memcpy(r->data + at, &is, 8);
			look_at_damage();
			memcpy(r->data + at, &was, 8);
		}
	}
}

/* A hostile list of handlers that lead to each other, and the longest of tables. */
Test(python_locks, an_exception_table_without_end_is_not_followed_for_ever, .timeout = 60)
{
	for_each_recording(i)
	{
		find();
		const struct py_wait *w = wait_of("first", 0);
		uint64_t table = 0, code = w->frame->code_addr, huge = 65536;
		if (py->rt.off.lasti_unit)
			continue; /* to 3.10 there is none */
		/* co_exceptiontable comes behind two pointers of a var object. */
		uint64_t at = code + py->rt.off.object.var_size + 24;
		cr_assert_null(mem_ptr(&rec.mem, at, &table));
		/* 0 to 63, handler 0, depth 1: its own handler. */
		const uint8_t loop[] = { 0x80, 63, 0, 3 };
		poke(table + py->rt.off.bytes.data, loop, sizeof(loop));
		find();
		cr_expect_eq(wait_of("first", 0)->nholders, 1);
		poke(table + py->rt.off.bytes.size, &huge, 8);
		find();
		cr_expect(is_waiting("first"));
	}
}
