/* SPDX-License-Identifier: MIT */
/* What a session says in the log of `set debug' and --debug. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "stub/session_priv.h"

static void log_time(const struct session *s)
{
	struct timespec now;

	if (!s->debug_timestamp || clock_gettime(CLOCK_REALTIME, &now) < 0)
		return;
	fprintf(s->log, "%lld.%06ld ", (long long)now.tv_sec, now.tv_nsec / 1000);
}

void session_log(const struct session *s, enum debug_what what, const char *fmt, ...)
{
	va_list ap;

	if (!(s->debug & what))
		return;
	log_time(s);
	va_start(ap, fmt);
	vfprintf(s->log, fmt, ap);
	va_end(ap);
	fputc('\n', s->log);
	fflush(s->log);
}

void session_log_refusal(const struct session *s, const struct err *err)
{
	char packet[40];
	size_t n = 0;

	for (; n < s->frame.in.len && n < sizeof(packet) - 1; n++) {
		char ch = ((const char *)s->frame.in.data)[n];
		packet[n] = '?';
		if (ch >= ' ' && ch < 0x7f)
			packet[n] = ch;
	}
	packet[n] = '\0';
	session_log(s, DEBUG_GENERAL, "refused \"%s\": %s", packet, err->msg);
}

void session_log_packet(const struct session *s, const char *what, const uint8_t *data, size_t len)
{
	size_t shown = len < 200 ? len : 200;

	if (!(s->debug & DEBUG_PACKETS))
		return;
	log_time(s);
	fprintf(s->log, "%s (\"", what);
	for (size_t i = 0; i < shown; i++) {
		if (data[i] >= ' ' && data[i] < 0x7f && data[i] != '\\')
			fputc(data[i], s->log);
		else
			fprintf(s->log, "\\x%02x", data[i]);
	}
	fprintf(s->log, "\")%s\n", shown < len ? "..." : "");
	fflush(s->log);
}
