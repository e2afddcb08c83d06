/* SPDX-License-Identifier: MIT */
/* The engine: windows, snapshots, writes, and what is announced. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rsp/frame.h"
#include "tests/unit/bench.h"

static struct bench b;

static void setup(void)
{
	bench_init(&b, NULL, 0);
	b.s.g_tid = FAKE_PID;
}
static void teardown(void)
{
	bench_deinit(&b);
}
TestSuite(qxfer, .init = setup, .fini = teardown);

static bool announced(const char *token)
{
	char wrapped[80];
	const char *reply = ask(&b, "qSupported:");
	snprintf(wrapped, sizeof(wrapped), ";%s;", token);
	char *all = NULL;
	cr_assert_gt(asprintf(&all, ";%s;", reply), 0);
	bool found = strstr(all, wrapped);
	free(all);
	return found;
}

Test(qxfer, what_the_target_can_give_is_announced_and_no_more)
{
	cr_assert(announced("qXfer:features:read+"));
	cr_assert(announced("qXfer:threads:read+"));
	cr_assert(announced("augmented-libraries-svr4-read+"));
	cr_assert(announced("qXfer:siginfo:write+"));
	cr_assert(announced("qXfer:python-frames:read+"));
	cr_assert_not(announced("qXfer:threads:write+"));
	b.fake.target.write = NULL;
	cr_assert_not(announced("qXfer:siginfo:write+"));
	cr_assert(announced("qXfer:siginfo:read+"));
}

Test(qxfer, read_only_refuses_to_write)
{
	b.options.read_only = true;
	cr_assert_not(announced("qXfer:siginfo:write+"));
	assert_answer(&b, "qXfer:siginfo:write::0:a", "");
	cr_assert_eq(b.fake.siginfo[0], 0);
	assert_answer(&b, "qXfer:siginfo:read::80,1", "l");
}

Test(qxfer, without_python_there_is_no_such_object)
{
	struct python *py = b.s.python;
	b.s.python = NULL;
	cr_assert_not(announced("qXfer:python-frames:read+"));
	assert_answer(&b, "qXfer:python-frames:read::0,100", "");
	assert_answer(&b, "qXfer:osdata:read:python-threads:0,100", "l");
	cr_assert_null(strstr(ask(&b, "qXfer:osdata:read::0,ffff"), "python"));
	b.s.python = py;
	cr_assert_not_null(strstr(ask(&b, "qXfer:osdata:read::0,ffff"), "python-frames"));
}

Test(qxfer, windows_of_any_size_make_the_whole)
{
	_cleanup_buf_ struct buf whole = { 0 };
	bench_ask(&b, "qXfer:features:read:target.xml:0,ffffff", 39);
	buf_put(&whole, b.reply.data + 1, b.reply.len - 1);
	cr_assert_eq(b.reply.data[0], 'l');

	static const size_t sizes[] = { 1, 7, 100, 4095, 6000 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_buf_ struct buf got = { 0 };
		do {
			char packet[80];
			int n = snprintf(packet, sizeof(packet),
					 "qXfer:features:read:target.xml:%zx,%zx", got.len,
					 sizes[i]);
			bench_ask(&b, packet, (size_t)n);
			cr_assert_leq(b.reply.len - 1, sizes[i]);
			cr_assert_gt(b.reply.len, 1);
			buf_put(&got, b.reply.data + 1, b.reply.len - 1);
		} while (b.reply.data[0] == 'm');
		cr_assert_eq(got.len, whole.len, "windows of %zu", sizes[i]);
		cr_assert_arr_eq(got.data, whole.data, whole.len);
	}
}

Test(qxfer, the_last_window_may_be_empty_and_none_is_past_the_end)
{
	bench_ask(&b, "qXfer:siginfo:read::0,1000", 26);
	cr_assert_eq(b.reply.len, 129);
	assert_answer(&b, "qXfer:siginfo:read::80,10", "l");
	assert_answer(&b, "qXfer:siginfo:read::81,10", "E01");
	assert_answer(&b, "qXfer:siginfo:read::ffffffffffffffff,10", "E01");
	assert_answer(&b, "qXfer:siginfo:read::0,0", "m");
}

Test(qxfer, a_document_does_not_change_while_it_is_read)
{
	cr_assert_eq(ask(&b, "qXfer:threads:read::0,10")[0], 'm');
	fake_add_thread(&b.fake, 0x77);
	cr_assert_null(strstr(ask(&b, "qXfer:threads:read::10,1000"), "77"));
	cr_assert_not_null(strstr(ask(&b, "qXfer:threads:read::0,1000"), "77"));
}

Test(qxfer, a_document_of_an_earlier_stop_is_not_continued)
{
	ask(&b, "qSupported:error-message+");
	ask(&b, "qXfer:threads:read::0,10");
	target_moved(&b.fake.target);
	assert_answer(&b, "qXfer:threads:read::10,10", "E.threads changed while being read");
	cr_assert_eq(ask(&b, "qXfer:threads:read::0,10")[0], 'm');
	cr_assert_eq(ask(&b, "qXfer:threads:read::10,10")[0], 'm');
}

/* gdb reads $_siginfo.si_addr by its offset, without ever asking for offset 0. */
Test(qxfer, a_piece_is_read_anew_at_any_offset)
{
	b.fake.siginfo[4] = 'a';
	assert_answer(&b, "qXfer:siginfo:read::4,1", "ma");
	b.fake.siginfo[4] = 'b';
	assert_answer(&b, "qXfer:siginfo:read::4,1", "mb");
	target_moved(&b.fake.target);
	assert_answer(&b, "qXfer:siginfo:read::4,1", "mb");
}

Test(qxfer, the_thread_is_part_of_what_a_document_is)
{
	fake_add_thread(&b.fake, 0x77);
	ask(&b, "qSupported:error-message+");
	b.s.g_tid = 0;
	assert_answer(&b, "qXfer:siginfo:read::0,1", "E.no thread is selected: select one with Hg");
	ask(&b, "Hg77");
	cr_assert_eq(ask(&b, "qXfer:siginfo:read::0,80")[0], 'l');
}

Test(qxfer, without_a_process_some_documents_are_left)
{
	ask(&b, "qSupported:error-message+");
	b.fake.target.pid = 0;
	assert_answer(&b, "qXfer:threads:read::0,10", "E.no process");
	assert_answer(&b, "qXfer:libraries-svr4:read::0,10", "E.no process");
	assert_answer(&b, "qXfer:siginfo:read::0,10", "E.no process");
	assert_answer(&b, "qXfer:osdata:read:python-frames:0,10", "E.no process");
	cr_assert_eq(ask(&b, "qXfer:features:read:target.xml:0,10")[0], 'm');
	cr_assert_eq(ask(&b, "qXfer:osdata:read::0,10")[0], 'm');
}

Test(qxfer, a_write_is_bounded_and_answers_its_length)
{
	bench_ask(&b, "qXfer:siginfo:write::4:\x01\x02\x03", 26);
	cr_assert_str_eq((const char *)b.reply.data, "3");
	cr_assert_eq(b.fake.siginfo[4], 1);
	cr_assert_eq(b.fake.siginfo[6], 3);
	assert_answer(&b, "qXfer:siginfo:write::7e:ab", "2");
	assert_answer(&b, "qXfer:siginfo:write::7e:abc", "E01");
	assert_answer(&b, "qXfer:siginfo:write::80:", "0");
	assert_answer(&b, "qXfer:siginfo:write::ffffffffffffffff:ab", "E01");
	assert_answer(&b, "qXfer:siginfo:write::0", "E01");
	assert_answer(&b, "qXfer:siginfo:write::0,1", "E01");
}

Test(qxfer, an_annex_is_bounded_and_has_no_nul)
{
	char packet[512];
	snprintf(packet, sizeof(packet), "qXfer:threads:read:%0*d:0,10", QXFER_ANNEX - 1, 0);
	cr_assert_eq(ask(&b, packet)[0], 'E');
	snprintf(packet, sizeof(packet), "qXfer:threads:read:%0*d:0,10", QXFER_ANNEX, 0);
	cr_assert_eq(ask(&b, packet)[0], 'E');
	bench_ask(&b, "qXfer:threads:read:\0:0,10", 25);
	cr_assert_eq(b.reply.data[0], 'E');
}

Test(qxfer, more_documents_than_are_kept_are_still_right)
{
	char packet[80];
	for (unsigned int i = 0; i < 3 * QXFER_DOCS; i++) {
		snprintf(packet, sizeof(packet), "qXfer:osdata:read:no%u:0,10", i);
		assert_answer(&b, packet, "l");
	}
	cr_assert_eq(ask(&b, "qXfer:threads:read::0,10")[0], 'm');
}

/* Every byte of such a reply is escaped; the packet holds no more than was promised. */
Test(qxfer, an_escaped_reply_fits_the_packet_size)
{
	memset(b.fake.siginfo, '#', sizeof(b.fake.siginfo));
	struct rsp_cursor args = { "siginfo:read::0,80", NULL };
	struct qxfer_ctx ctx = { .target = &b.fake.target, .tid = FAKE_PID };
	struct qxfer q = { 0 };
	_cleanup_buf_ struct buf out = { 0 };

	args.end = args.p + strlen(args.p);
	cr_assert_null(qxfer_handle(&q, &ctx, &args, 65, &out));
	cr_assert_eq(out.len, 1 + 32);
	cr_assert_eq(out.data[0], 'm');
	qxfer_deinit(&q);
}
