// title: words are counted in a hash table
#include <toykernel.h>
static struct entry { const char *word; int count; } table[32];
static unsigned hash(const char *s) { unsigned h = 2166136261u; while (*s) h = (h ^ (unsigned char)*s++) * 16777619u; return h; }
static int *count(const char *word) {
  unsigned at = hash(word) % 32;
  while (table[at].word && strcmp(table[at].word, word)) at = (at + 1) % 32;
  table[at].word = word;
  return &table[at].count;
}
int main(void) {
  static char text[] = "the cat and the dog and the bird saw the cat";
  int words = 0;
  for (char *p = text; *p; words++) {
    char *end = strchr(p, ' ');
    if (end) *end = 0;
    ++*count(p);
    p += strlen(p) + (end != 0);
  }
  printf("the %d, and %d, cat %d, cow %d\n", *count("the"), *count("and"), *count("cat"), *count("cow"));
  return words;
}
