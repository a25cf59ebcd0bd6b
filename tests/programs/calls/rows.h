/* Answers in rows: a word, and what many calls answer, negated errors among them. With B defined, an address of the
 * 16 MiB from there on is shown by how far it is from B, whichever it is. */
static char row[20000], *to;
static void put(long r) {
  if (r == -1 && errno) r = -errno;
#ifdef B
  if (r >= (long)B && r < (long)B + (1 << 24)) { r -= B; *to++ = '+'; }
#endif
  if (r < 0) *to++ = '-', r = -(unsigned long)r;
  number(&to, r, 10); *to++ = ' ';
}
static void word(const char *s) { while (*s) *to++ = *s++; *to++ = ' '; }
static void start(const char *s) { to = row; word(s); }
static void done(void) { *to++ = '\n'; write(1, row, to - row); }
#define C(...) ({ errno = 0; long c_ = (long)(__VA_ARGS__); put(c_); c_; })
#define EACH(name, ...) for (long name##_[] = {__VA_ARGS__}, *name##p = name##_, name; name##p < name##_ + sizeof name##_ / sizeof *name##_ && (name = *name##p, 1); name##p++)
