/* SPDX-License-Identifier: MIT */
/*
 * A million packets that no honest client sends.
 *
 *	mutate [COUNT [SEED]]		to a session over the fake target, in process
 *	mutate --print COUNT SEED	the same packets, one a line, in hex
 *
 * Each is made from one that is right: cut, doubled, with other numbers in it,
 * spliced with another, or hidden in noise.  After each the stub must have
 * answered as the protocol has it (one well-formed reply of no more than
 * PacketSize, or none where none is due), and must answer a plain question.
 * The same SEED makes the same packets.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fake/rig.h"

/* clang-format off */
#define S(text) { text, sizeof(text) - 1 }
static const struct {
	const char *text;
	size_t len;
} seeds[] = {
	S("?"), S("!"), S("c"), S("c1000"), S("C05"), S("C0b;1000"), S("s"), S("S05"), S("D"), S("D;1a2b"),
	S("g"), S("Hg0"), S("Hgp1a2b.1a2c"), S("Hc-1"), S("k"), S("R00"), S("T1a2b"), S("Tp1a2b.1a2d"),
	S("G00000000000000000000000000000000000000000000000000000000000000000000000000000000"),
	S("m1000,40"), S("m7fff0ff0,20"), S("mfffffffffffffff0,20"), S("M1000,4:01020304"),
	S("p10"), S("p0;thread:1a2b;"), S("P10=0010000000000000"), S("P10=0010000000000000;thread:1a2b;"),
	S("x1000,40"), S("x0,0"), S("X1008,4:\x01\x02\x7d\x23"), S("X0,0:"),
	S("qAttached"), S("qAttached:1a2b"), S("qC"), S("qCRC:1000,200"), S("qCRC:0,ffffffffffffffff"),
	S("qfThreadInfo"), S("qsThreadInfo"), S("qThreadExtraInfo,1a2b"), S("qThreadExtraInfo,p1a2b.1a2c"),
	S("qRcmd,68656c70"), S("qRcmd,737461747573"), S("qRcmd,70792d627420616c6c"),
	S("qRcmd,736574206465627567203"), S("qRcmd,70792d74687265616473"),
	S("qSearch:memory:1000;1000;\xaa\x00\x00"), S("qSearch:memory:0;ffffffffffffffff;abc"),
	S("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;exec-events+;vContSupported+;"
	  "no-resumed+;xmlRegisters=i386;error-message+"),
	S("qSupported:xmlRegisters=i386,arm,mips,arc"), S("qSymbol::"), S("QTinit"), S("QTStart"), S("QTStop"),
	S("QTDP:1:1000:E:2:3:X3,220127-"), S("QTDP:-1:1000:R03M0,8,4X2,2227-"), S("QTDP:-1:1000:SMFFFFFFFF,1000,20"),
	S("QTDPsrc:1:1000:at:0:3:616464"), S("QTDV:2:5:0:7476"), S("QTEnable:1:1000"), S("QTro:1000,2000:3000,4000"),
	S("QTFrame:0"), S("QTFrame:range:0:1000"), S("QTBuffer:size:1000"), S("QTNotes:user:61;notes:62"),
	S("QTDisconnected:1"), S("qTBuffer:0,100"), S("qTP:1:1000"), S("qTV:2"), S("qTfP"), S("qTsP"), S("qGetTLSAddr:p1a2b.1a2b,10,7ffff7ffe2e0"), S("qSymbol:10:666f6f"), S("qTStatus"),
	S("qXfer:features:read:target.xml:0,fff"), S("qXfer:features:read:target.xml:ffe,1000"),
	S("qXfer:python-frames:read::0,1000"), S("qXfer:python-frames:read:1a2b;locals;format=json:0,1000"),
	S("qXfer:threads:read::0,1000"), S("qXfer:auxv:read::0,1000"), S("qXfer:exec-file:read:1a2b:0,1000"),
	S("qXfer:libraries-svr4:read::0,1000"), S("qXfer:libraries-svr4:read:start=1000;prev=0:0,1000"),
	S("qXfer:siginfo:read::0,1000"), S("qXfer:siginfo:write::0:\x05\x00\x00\x00"),
	S("qXfer:osdata:read::0,1000"), S("qXfer:osdata:read:processes:0,1000"),
	S("qXfer:osdata:read:threads:0,1000"), S("qXfer:osdata:read:python-frames:0,1000"),
	S("QPassSignals:e;10;14;17;1a;1b"), S("QProgramSignals:0;1;3;4;97"), S("QStartNoAckMode"),
	S("vCont?"), S("vCont;c"), S("vCont;c:p1a2b.-1"), S("vCont;s:p1a2b.1a2b;c:p1a2b.-1"),
	S("vCont;r1000,1010:p1a2b.1a2b;c:p1a2b.-1"), S("vCont;C05:1a2b;t:1a2c"), S("vCont;S0b:1a2b"),
	S("vFile:setfs:0"), S("vFile:setfs:1a2b"), S("vFile:open:2f64617461,0,0"),
	S("vFile:open:6e6577,602,1b4"), S("vFile:pread:0,1000,0"), S("vFile:pwrite:0,10,\x01\x7d\x23"),
	S("vFile:fstat:0"), S("vFile:stat:2f64617461"), S("vFile:lstat:2f6c696e6b"),
	S("vFile:readlink:2f6c696e6b"), S("vFile:unlink:2f6e6577"), S("vFile:close:0"),
	S("vKill;1a2b"), S("vMustReplyEmpty"), S("vRun;;"), S("vAttach;1"), S("vCtrlC"), S("vStopped"),
	S("Z0,1000,1"), S("Z1,1000,1"), S("Z2,1008,8"), S("Z4,1008,4"), S("Z0,1000,1;X3,220127"),
	S("Z0,1000,1;Xd,26000a1a25000000000000000513271X3,220027"), S("Z1,1000,1;X5,2600001a27"),
	S("Z0,1000,1;X3,210000"), S("Z0,1000,1;cmds:1,X18,2210220022003401000c25642061742025730a00270027"),
	S("Z0,1000,1;cmds:0,X3,220127"), S("z0,1000,1"), S("z2,1008,8"), S("QNonStop:1"), S("QThreadEvents:1"),
	S("QCatchSyscalls:1;3;4"), S("qGetTLSAddr:1a2b,0,1000"), S("jThreadsInfo"), S("qMemoryRegionInfo:1000"),
	S("qThreadStopInfo1a2b"), S("QThreadSuffixSupported"), S("qHostInfo"), S("_M1000,rwx"), S("_m1000"),
	S("QSaveRegisterState;thread:1a2b;"), S("QRestoreRegisterState:1;thread:1a2b;"),
	S("MultiMemRead:ranges:1000,4,2000,4;"), S("QListThreadsInStopReply"),
	S("QEnableErrorStrings"), S("qProcessInfo"), S("qEcho:1"), S("qShlibInfoAddr"), S("jSignalsInfo"),
	S("qGDBServerVersion"), S("qWatchpointSupportInfo:"), S("qThreadStopInfop1a2b.1a2c"), S("QTDP:1:1000:E:0:0-"), S("b"), S("bs"), S(""),
};
/* clang-format on */
#define NSEEDS (sizeof(seeds) / sizeof(seeds[0]))

/* Numbers and words that break things. */
static const char *const bad[] = {
	"0",
	"1",
	"ff",
	"7fffffff",
	"80000000",
	"ffffffff",
	"100000000",
	"-1",
	"-",
	"p-1.-1",
	"7fffffffffffffff",
	"8000000000000000",
	"ffffffffffffffff",
	"fffffffffffff001",
	"10000000000000000",
	"1a2b",
	"p1a2b.1a2b",
	";",
	":",
	",",
	"=",
	"*",
	"}",
	"#",
	"$",
	"\x03",
	"x",
	"20000",
	"1ffff",
	"a2b.",
};
#define NBAD (sizeof(bad) / sizeof(bad[0]))

/* What the stub says of its clients on stderr would drown what matters. */
#define REPORT_FD 100
void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

static bool quiet_stderr(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || dup2(STDERR_FILENO, REPORT_FD) < 0 || dup2(null, STDERR_FILENO) < 0)
		return false;
	if (__sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(intptr_t)REPORT_FD);
	close(null);
	return true;
}

struct random {
	uint64_t state;
};

static uint32_t next_random(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (uint32_t)(r->state >> 32);
}

static size_t below(struct random *r, size_t n)
{
	return n ? next_random(r) % n : 0;
}

static void put_in(struct buf *b, size_t at, size_t drop, const void *data, size_t len)
{
	struct buf out = { 0 };

	if (drop > b->len - at)
		drop = b->len - at;
	buf_put(&out, b->data, at);
	buf_put(&out, data, len);
	if (b->len > at + drop)
		buf_put(&out, b->data + at + drop, b->len - at - drop);
	buf_deinit(b);
	*b = out;
}

static void put_seed(struct random *r, struct buf *b)
{
	size_t i = below(r, NSEEDS);
	buf_put(b, seeds[i].text, seeds[i].len);
}

/* From @at on: a run of hex digits is one number. */
static size_t number_length(const struct buf *b, size_t at)
{
	size_t n = 0;
	while (at + n < b->len && memchr("0123456789abcdef-", b->data[at + n], 17))
		n++;
	return n;
}

static void mutate_once(struct random *r, struct buf *b)
{
	size_t at = below(r, b->len + 1);
	const char *word = bad[below(r, NBAD)];
	uint8_t byte = (uint8_t)next_random(r);
	_cleanup_buf_ struct buf other = { 0 };

	switch (next_random(r) % 8) {
	case 0: /* another byte */
		put_in(b, at, 1, &byte, 1);
		break;
	case 1: /* another number */
		put_in(b, at, number_length(b, at), word, strlen(word));
		break;
	case 2: /* something inserted */
		put_in(b, at, 0, word, strlen(word));
		break;
	case 3: /* cut out */
		put_in(b, at, below(r, 8), NULL, 0);
		break;
	case 4: /* cut off */
		put_in(b, at, b->len, NULL, 0);
		break;
	case 5: /* doubled */
		buf_put(&other, b->data, b->len);
		put_in(b, at, 0, other.data, below(r, other.len + 1));
		break;
	case 6: /* the end of another */
		put_seed(r, &other);
		put_in(b, at, b->len, other.data, other.len);
		break;
	default: /* one bit */
		if (b->len) {
			at = below(r, b->len);
			b->data[at] ^= (uint8_t)(1u << (byte & 7));
		}
	}
}

static void make_packet(struct random *r, struct buf *b)
{
	buf_clear(b);
	put_seed(r, b);
	for (size_t n = below(r, 5); n; n--)
		mutate_once(r, b);
	if (below(r, 30000) == 0) /* longer than any may be */
		for (int i = 0; i < 40000; i++)
			buf_puts(b, "aaaa");
}

static void die(const char *what, const struct buf *packet)
{
	dprintf(REPORT_FD, "mutate: %s, after the packet\n", what);
	for (size_t i = 0; i < packet->len && i < 400; i++)
		dprintf(REPORT_FD,
			packet->data[i] >= ' ' && packet->data[i] < 0x7f ? "%c" : "\\x%02x",
			packet->data[i]);
	dprintf(REPORT_FD, "\n");
	abort();
}

/* "k" is answered by nothing, but to lldb, and "R" need not be (GDB manual, "Packets"). */
static bool is_answered(int replies, const struct buf *packet, bool lldb)
{
	bool kill = packet->len == 1 && packet->data[0] == 'k' && !lldb;
	bool restart = packet->len && packet->data[0] == 'R';
	return replies == !kill || (restart && !replies);
}

/* What came back is whole frames; says how many, O packets aside. */
static int count_replies(const struct buf *tx, const struct buf *packet)
{
	size_t at = 0, before = 0;
	int n = 0;
	_cleanup_buf_ struct buf payload = { 0 };

	for (; wire_next(tx, &at, &payload); before = at) {
		if (at - before > RSP_PACKET_MAX + 8)
			die("a reply longer than PacketSize", packet);
		n += !(payload.len > 2 && payload.data[0] == 'O' && payload.data[1] != 'K');
	}
	return n;
}

static void check_alive(struct rig *r, const struct buf *packet)
{
	buf_clear(&r->s.tx);
	wire_send(&r->s, "vMustReplyEmpty", 15);
	rig_settle(r);
	if (!r->s.end && count_replies(&r->s.tx, packet) != 1)
		die("the stub is mute", packet);
}

/* Half the value is behind the checksum, but the framing is fair game too. */
static void send_noise(struct random *r, struct rig *rig, const struct buf *packet)
{
	uint8_t junk[8];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)next_random(r);
	session_feed(&rig->s, junk, below(r, sizeof(junk)));
	session_feed(&rig->s, (const uint8_t *)"$", below(r, 2));
	session_feed(&rig->s, packet->data, packet->len);
	session_feed(&rig->s, (const uint8_t *)"#00", below(r, 4));
	session_feed(&rig->s, (const uint8_t *)"\x03", below(r, 2));
	rig_settle(rig);
	/* Whatever it was in the middle of, a '$' begins anew. */
	session_feed(&rig->s, (const uint8_t *)"#00+", 4);
	rig_settle(rig);
}

static void send_packet(struct rig *rig, const struct buf *packet)
{
	wire_send(&rig->s, packet->data, packet->len);
	rig_settle(rig);
	int n = count_replies(&rig->s.tx, packet);
	if (!rig->s.end && !is_answered(n, packet, rig->s.peer.lldb))
		die(n ? "a reply too many" : "no reply", packet);
}

#define SESSION_PACKETS 300 /* to one process, unless it ends before */

static void fill_root(int root)
{
	int fd = openat(root, "data", O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, seeds, sizeof(seeds)) < 0 || close(fd) < 0)
		abort();
	(void)!symlinkat("/data", root, "link");
	(void)!mkfifoat(root, "fifo", 0600);
}

static void run_session(struct random *r, int root, unsigned long *left)
{
	struct rig rig;
	_cleanup_buf_ struct buf packet = { 0 };

	fill_root(root);
	rig_init(&rig, root);
	rig.options.read_only = below(r, 8) == 0;
	if (below(r, 8) == 0) { /* like a core file */
		rig.fake.target.run = NULL;
		rig.fake.target.write = NULL;
		rig.fake.target.point = NULL;
	}
	if (below(r, 2))
		wire_send(&rig.s, "QStartNoAckMode", 15);
	for (int i = 0; i < SESSION_PACKETS && *left; i++, --*left) {
		make_packet(r, &packet);
		buf_clear(&rig.s.tx);
		if (below(r, 50) == 0)
			send_noise(r, &rig, &packet);
		else
			send_packet(&rig, &packet);
		if (!rig.s.end && i % 8 == 0)
			check_alive(&rig, &packet);
		if (rig.s.end == SESSION_QUIT)
			break;
		if (rig.s.end || below(r, 200) == 0)
			rig_reconnect(&rig);
		if (!rig.fake.target.pid && below(r, 4) == 0)
			break;
	}
	rig_deinit(&rig);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int attack(unsigned long count, uint64_t seed)
{
	struct random r = { seed * 0x9e3779b97f4a7c15ull + 1 };
	char path[] = "/tmp/archerfish-mutate-XXXXXX";
	unsigned long left = count;

	if (!quiet_stderr() || !mkdtemp(path))
		return 1;
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (left && root >= 0)
		run_session(&r, root, &left);
	close(root);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	dprintf(REPORT_FD, "mutate: %lu packets, seed %llu: every one answered as it must be\n",
		count - left, (unsigned long long)seed);
	return left != 0;
}

static int print_packets(unsigned long count, uint64_t seed)
{
	struct random r = { seed * 0x9e3779b97f4a7c15ull + 1 };
	_cleanup_buf_ struct buf packet = { 0 };

	while (count--) {
		make_packet(&r, &packet);
		for (size_t i = 0; i < packet.len; i++)
			printf("%02x", packet.data[i]);
		putchar('\n');
	}
	return ferror(stdout) != 0;
}

int main(int argc, char **argv)
{
	bool print = argc > 1 && strcmp(argv[1], "--print") == 0;
	char **arg = argv + 1 + print;
	unsigned long count = arg[0] ? strtoul(arg[0], NULL, 0) : 1000000;
	uint64_t seed = arg[0] && arg[1] ? strtoull(arg[1], NULL, 0) : 1;

	return print ? print_packets(count, seed) : attack(count, seed);
}
