/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/fileio.h"
#include "tests/unit/bench.h"

#define FILE_SIZE 300000

struct tree {
	struct bench b;
	char path[64];
	uint8_t data[FILE_SIZE];
};

static struct tree tree;

static void setup(void)
{
	bench_init(&tree.b, NULL, 0);
	strcpy(tree.path, "/tmp/archerfish-vfile-XXXXXX");
	cr_assert_not_null(mkdtemp(tree.path));
	tree.b.fake.root = open(tree.path, O_PATH | O_DIRECTORY);
	for (size_t i = 0; i < FILE_SIZE; i++)
		tree.data[i] = (uint8_t)(i % 251 < 6 ? '}' : i * 7);
	int fd = openat(tree.b.fake.root, "data", O_WRONLY | O_CREAT, 0640);
	cr_assert_eq(write(fd, tree.data, FILE_SIZE), FILE_SIZE);
	close(fd);
	cr_assert_eq(symlinkat("/data", tree.b.fake.root, "link"), 0);
	cr_assert_eq(mkfifoat(tree.b.fake.root, "fifo", 0600), 0);
}

static void teardown(void)
{
	char command[96];
	snprintf(command, sizeof(command), "rm -r %s", tree.path);
	cr_assert_eq(system(command), 0);
	close(tree.b.fake.root);
	bench_deinit(&tree.b);
}

/* vFile:OP:PATH in hex and then @rest. */
static const char *vfile(const char *op, const char *path, const char *rest)
{
	_cleanup_buf_ struct buf packet = { 0 };
	buf_printf(&packet, "vFile:%s:", op);
	buf_put_hex(&packet, path, strlen(path));
	buf_puts(&packet, rest);
	bench_ask(&tree.b, packet.data, packet.len);
	return (const char *)tree.b.reply.data;
}

#define assert_vfile(op, path, rest, want)                                   \
	cr_assert_str_eq(vfile(op, path, rest), want, "%s %s: %s", op, path, \
			 (const char *)tree.b.reply.data)

Test(h_file, paths_are_the_targets_after_setfs, .init = setup, .fini = teardown)
{
	assert_vfile("open", "/data", ",0,0", "F-1,2");
	assert_answer(&tree.b, "vFile:setfs:1a2b", "F0");
	assert_vfile("open", "/data", ",0,0", "F0");
	assert_vfile("open", "/../link", ",0,0", "F1");
	assert_answer(&tree.b, "vFile:setfs:0", "F0");
	assert_vfile("open", "/data", ",0,0", "F-1,2");
	assert_vfile("open", "/proc/self/stat", ",0,0", "F2");
	assert_answer(&tree.b, "vFile:close:1", "F0");
	assert_answer(&tree.b, "vFile:close:1", "F-1,9");
	assert_vfile("open", "/proc/self/stat", ",0,0", "F1");
	assert_answer(&tree.b, "vFile:setfs:7fffffff", "F-1,2");
}

Test(h_file, a_file_reads_back_whole_in_packets_that_fit, .init = setup, .fini = teardown)
{
	size_t at = 0;
	char packet[64];
	int packets = 0;

	ask(&tree.b, "vFile:setfs:1a2b");
	assert_vfile("open", "/data", ",0,0", "F0");
	for (;; packets++) {
		size_t n;
		int head = 0;
		snprintf(packet, sizeof(packet), "vFile:pread:0,ffffffff,%zx", at);
		const char *reply = ask(&tree.b, packet);
		cr_assert_leq(tree.b.s.last.len, RSP_PACKET_MAX + 4);
		cr_assert_eq(sscanf(reply, "F%zx;%n", &n, &head), 1);
		cr_assert_eq(tree.b.reply.len, n + (size_t)head);
		if (!n)
			break;
		cr_assert_leq(at + n, FILE_SIZE);
		cr_assert(at || n == 0x4000, "a reader that may read no further gets %zu", n);
		cr_assert_arr_eq(tree.b.reply.data + head, tree.data + at, n);
		at += n;
	}
	cr_assert_eq(at, FILE_SIZE);
	cr_assert_eq(packets, 4);
}

Test(h_file, stat_is_laid_out_as_the_manual_says, .init = setup, .fini = teardown)
{
	struct stat st = { .st_dev = 0xfe00,
			   .st_ino = 0x1122334455667788,
			   .st_mode = 0100755,
			   .st_nlink = 2,
			   .st_uid = 3,
			   .st_gid = 4,
			   .st_rdev = 5,
			   .st_size = 0x123456789a,
			   .st_blksize = 4096,
			   .st_blocks = 8,
			   .st_atime = 9,
			   .st_mtime = 10,
			   .st_ctime = 11 };
	static const uint8_t want[FILEIO_STAT_SIZE] = {
		0,    0,    0xfe, 0,	0x55, 0x66, 0x77, 0x88, 0, 0, 0x81, 0xed, 0, 0, 0, 2,
		0,    0,    0,	  3,	0,    0,    0,	  4,	0, 0, 0,    5,	  0, 0, 0, 0x12,
		0x34, 0x56, 0x78, 0x9a, 0,    0,    0,	  0,	0, 0, 0x10, 0,	  0, 0, 0, 0,
		0,    0,    0,	  8,	0,    0,    0,	  9,	0, 0, 0,    10,	  0, 0, 0, 11
	};
	uint8_t got[FILEIO_STAT_SIZE];
	fileio_stat(&st, got);
	cr_assert_arr_eq(got, want, sizeof(want));

	ask(&tree.b, "vFile:setfs:1a2b");
	vfile("lstat", "/link", "");
	cr_assert_eq(tree.b.reply.len, 4 + FILEIO_STAT_SIZE);
	cr_assert_arr_eq(tree.b.reply.data, "F40;", 4);
	cr_assert_eq(tree.b.reply.data[4 + 10] >> 4, 0xa, "a link");
	vfile("stat", "/link", "");
	cr_assert_eq(tree.b.reply.data[4 + 10] >> 4, 0x8, "a regular file");
	vfile("open", "/data", ",0,0");
	bench_ask(&tree.b, "vFile:fstat:0", 13);
	cr_assert_arr_eq(tree.b.reply.data + 4 + 28, "\0\0\0\0\0\x04\x93\xe0", 8);
	assert_vfile("stat", "/none", "", "F-1,2");
}

Test(h_file, files_can_be_written_made_and_removed, .init = setup, .fini = teardown)
{
	char back[8] = "";
	ask(&tree.b, "vFile:setfs:1a2b");
	assert_vfile("open", "/new", ",601,180", "F0"); /* write, create, truncate; 0600 */
	assert_answer(&tree.b, "vFile:pwrite:0,2,ab}c", "F4");
	int fd = openat(tree.b.fake.root, "new", O_RDONLY);
	cr_assert_eq(read(fd, back, 8), 6);
	cr_assert_arr_eq(back, "\0\0ab}c", 6);
	close(fd);
	assert_vfile("readlink", "/link", "", "F5;/data");
	assert_vfile("readlink", "/new", "", "F-1,16");
	assert_vfile("unlink", "/new", "", "F0");
	assert_vfile("unlink", "/new", "", "F-1,2");
	assert_vfile("open", "/data", ",a00,0", "F-1,11"); /* create, exclusive */
}

Test(h_file, read_only_looks_and_does_not_touch, .init = setup, .fini = teardown)
{
	tree.b.options.read_only = true;
	ask(&tree.b, "vFile:setfs:1a2b");
	assert_vfile("open", "/new", ",601,180", "F-1,1e");
	assert_vfile("open", "/data", ",2,0", "F-1,1e");
	assert_vfile("unlink", "/data", "", "F-1,1e");
	assert_vfile("open", "/data", ",0,0", "F0");
	assert_answer(&tree.b, "vFile:pwrite:0,0,x", "F-1,1e");
}

Test(h_file, a_fifo_keeps_nobody_waiting, .init = setup, .fini = teardown)
{
	ask(&tree.b, "vFile:setfs:1a2b");
	assert_vfile("open", "/fifo", ",0,0", "F0");
	assert_answer(&tree.b, "vFile:pread:0,10,0", "F-1,1d");
	assert_vfile("open", "/fifo", ",2,0", "F1");
	assert_vfile("open", "/", ",0,0", "F2");
	assert_answer(&tree.b, "vFile:pread:2,10,0", "F-1,15");
}

Test(h_file, the_malformed_is_an_error_and_the_unknown_is_empty, .init = setup, .fini = teardown)
{
	static const char *const invalid[] = {
		"vFile:open:2f,0",	 "vFile:open:2,0,0",  "vFile:open:zz,0,0",
		"vFile:open:2f002f,0,0", "vFile:open:2f,3,0", "vFile:open:2f,4,0",
		"vFile:open:2f,10000,0", "vFile:open:",	      "vFile:pread:0",
		"vFile:pread:0,1",	 "vFile:pread:x,1,1", "vFile:pread:0,1,8000000000000000",
		"vFile:pwrite:0",	 "vFile:pwrite:0,1",  "vFile:close:",
		"vFile:close:1,2",	 "vFile:setfs:",      "vFile:setfs:80000000",
		"vFile:setfs:-1",	 "vFile:fstat:",      "vFile:stat:2f,2f",
		"vFile:stat:2",		 "vFile:unlink:",
	};
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		assert_answer(&tree.b, invalid[i], "F-1,16");
	assert_answer(&tree.b, "vFile:fstat:ffffffffffffffff", "F-1,9");
	assert_answer(&tree.b, "vFile:pread:5,1,1", "F-1,9");
	assert_answer(&tree.b, "vFile:nothing:1", "");
	assert_answer(&tree.b, "vFile", "");
	assert_answer(&tree.b, "vFile:", "");
	_cleanup_buf_ struct buf packet = { 0 };
	buf_puts(&packet, "vFile:stat:");
	for (int i = 0; i < 4096; i++)
		buf_puts(&packet, "2f");
	bench_ask(&tree.b, packet.data, packet.len);
	cr_assert_str_eq((char *)tree.b.reply.data, "F-1,5b");
	tree.b.options.no_host_io = true;
	assert_answer(&tree.b, "vFile:setfs:0", "");
}

Test(h_file, what_a_client_left_open_is_closed_when_it_leaves, .init = setup, .fini = teardown)
{
	ask(&tree.b, "vFile:setfs:1a2b");
	int before = open("/dev/null", O_RDONLY);
	close(before);
	for (int i = 0; i < 40; i++)
		cr_assert_eq(vfile("open", "/data", ",0,0")[0], 'F');
	session_close(&tree.b.s);
	int after = open("/dev/null", O_RDONLY);
	close(after);
	cr_assert_leq(after, before);
	session_open(&tree.b.s);
	assert_answer(&tree.b, "vFile:fstat:0", "F-1,9");
}
