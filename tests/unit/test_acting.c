/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "qxfer/python/acting.h"
#include "stub/act.h"
#include "stub/options.h"

static uint64_t word(const uint8_t *bytes, size_t at)
{
	uint64_t v;
	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

Test(acting, a_forged_handler_leads_from_the_object_to_the_text)
{
	const struct py_acting a = { .run_string = 0x1111,
				     .method_wrapper = 0x2222,
				     .wrapper_type = 0x3333,
				     .dict = 0x4444,
				     .wrap = 0x5555 };
	const uint64_t at = 0x7f0000000000;
	uint8_t bytes[PY_FORGED_SIZE];

	uint64_t object = py_acting_forge(&a, at, at + 0x400, bytes) - at;
	cr_assert_eq(word(bytes, object + 8), a.method_wrapper);
	cr_assert_eq(word(bytes, object + 24), at + 0x400, "self is the text");
	uint64_t descr = word(bytes, object + 16) - at;
	cr_assert_eq(word(bytes, descr + 8), a.wrapper_type);
	cr_assert_eq(word(bytes, descr + 48), a.run_string, "what is wrapped");
	uint64_t base = word(bytes, descr + 40) - at;
	cr_assert_eq(word(bytes, base + 24), a.wrap);
	cr_assert_str_eq((char *)bytes + (word(bytes, base) - at), "archerfish");
}

Test(acting, a_forged_handler_of_a_free_threaded_build_is_immortal)
{
	const struct py_acting a = { .run_string = 0x1111,
				     .method_wrapper = 0x2222,
				     .wrapper_type = 0x3333,
				     .free_threaded = true };
	const uint64_t at = 0x7f0000000000;
	uint8_t bytes[PY_FORGED_SIZE];

	uint64_t object = py_acting_forge(&a, at, at + 0x400, bytes) - at;
	cr_assert_eq(word(bytes, object + 8) >> 32, UINT32_MAX, "ob_ref_local");
	cr_assert_eq(word(bytes, object + 24), a.method_wrapper);
	cr_assert_eq(word(bytes, object + 40), at + 0x400, "self is the text");
	uint64_t descr = word(bytes, object + 32) - at;
	cr_assert_eq(word(bytes, descr + 24), a.wrapper_type);
	cr_assert_eq(word(bytes, descr + 64), a.run_string, "what is wrapped");
}

Test(acting, the_text_has_numbers_alone_in_it)
{
	const struct act_layout l = { .fd = 7, .wrapper_at = 4096, .wrapper_size = 10 };
	_cleanup_buf_ struct buf text = { 0 };

	act_put_text(&l, &text);
	buf_put(&text, "", 1);
	cr_assert(strstr((char *)text.data, "pread(7,10,4096)"), "%s", (char *)text.data);
	cr_assert_lt(text.len, 1024, "it has to fit into its page");
}

/* ---- the command line ---- */

static bool parses(struct options *o, int argc, const char **argv)
{
	FILE *f = fopen("/dev/null", "w");
	bool ret = options_parse(argc, (char **)(uintptr_t)argv, o, f);
	fclose(f);
	return ret;
}

Test(acting, exec_takes_a_process_and_a_file_or_code)
{
	struct options o;

	cr_assert(parses(&o, 4, (const char *[]){ "archerfish", "exec", "12", "x.py" }));
	cr_assert(o.mode == MODE_EXEC && o.pid == 12 && o.timeout == 10);
	cr_assert_str_eq(o.script, "x.py");
	cr_assert(parses(
		&o, 6,
		(const char *[]){ "archerfish", "exec", "--timeout=3", "12", "-c", "print()" }));
	cr_assert(!o.script && o.timeout == 3);
	cr_assert_str_eq(o.code, "print()");
	cr_assert(parses(&o, 3, (const char *[]){ "archerfish", "pdb", "12" }));
	cr_assert_eq(o.mode, MODE_PDB);
}

Test(acting, exec_and_pdb_take_a_thread_and_pdb_an_address)
{
	struct options o;

	cr_assert(parses(&o, 7,
			 (const char *[]){ "archerfish", "exec", "--thread", "worker", "--pep768",
					   "12", "x.py" }));
	cr_assert_str_eq(o.thread, "worker");
	cr_assert(o.pep768 && o.pid == 12);
	cr_assert(parses(&o, 5,
			 (const char *[]){ "archerfish", "pdb", "--thread=7", "12", "unix:s" }));
	cr_assert_str_eq(o.thread, "7");
	cr_assert_str_eq(o.address, "unix:s");
	cr_assert_not(parses(&o, 3, (const char *[]){ "archerfish", "exec", "--thread" }));
	cr_assert_not(parses(&o, 5, (const char *[]){ "archerfish", "pdb", "12", "a:1", "b:2" }));
}

Test(acting, what_is_no_exec_or_pdb_is_refused)
{
	struct options o;

	cr_assert_not(parses(&o, 3, (const char *[]){ "archerfish", "exec", "12" }));
	cr_assert_not(parses(&o, 4, (const char *[]){ "archerfish", "exec", "12", "-c" }));
	cr_assert_not(parses(&o, 4, (const char *[]){ "archerfish", "exec", "x", "y.py" }));
	cr_assert_not(
		parses(&o, 5, (const char *[]){ "archerfish", "exec", "--timeout=0", "1", "y" }));
	cr_assert_not(
		parses(&o, 5, (const char *[]){ "archerfish", "exec", "--read-only", "1", "y" }));
	cr_assert_not(parses(&o, 2, (const char *[]){ "archerfish", "pdb" }));
	cr_assert_not(parses(&o, 4, (const char *[]){ "archerfish", "pdb", "--nonblocking", "1" }));
}
