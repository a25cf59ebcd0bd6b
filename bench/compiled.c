/* Four loops of ordinary C. WORK names one: quicksort, hashes, matrix or strings; the argument is how often. */
#include <stdlib.h>
#include <string.h>

static unsigned seed = 1;

static unsigned next(void)
{
    return seed = seed * 1103515245u + 12345u;
}

static int numbers[20000];

static void sort(int *from, int *to)
{
    while (from < to) {
        int middle = from[(to - from) / 2], *low = from, *high = to;

        while (low <= high) {
            while (*low < middle)
                low++;
            while (*high > middle)
                high--;
            if (low <= high) {
                int kept = *low;

                *low++ = *high;
                *high-- = kept;
            }
        }
        sort(from, high);
        from = low;
    }
}

static unsigned quicksort(void)
{
    int n;

    for (n = 0; n < 20000; n++)
        numbers[n] = (int)(next() >> 1);
    sort(numbers, numbers + 19999);
    for (n = 1; n < 20000; n++)
        if (numbers[n - 1] > numbers[n])
            exit(1);
    return (unsigned)numbers[10000];
}

static char text[1 << 16];

static unsigned hash(const char *word) /* FNV-1a */
{
    unsigned sum = 2166136261u;

    for (; *word; word++)
        sum = (sum ^ (unsigned char)*word) * 16777619u;
    return sum;
}

static unsigned hashes(void)
{
    static unsigned table[4096];
    unsigned at = 0, sum = 0, length;

    for (length = 0; length + 1 < sizeof text; length++)
        text[length] = (char)(next() >> 28 ? 'a' + (int)(next() >> 16) % 26 : 0);
    while (at + 1 < sizeof text) {
        table[hash(text + at) & 4095]++;
        while (text[at])
            at++;
        at++;
    }
    for (at = 0; at < 4096; at++)
        sum = sum * 31 + table[at];
    return sum;
}

enum { SIDE = 60 };
static int left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];

static unsigned matrix(void)
{
    int row, column, k;

    for (row = 0; row < SIDE; row++)
        for (column = 0; column < SIDE; column++) {
            left[row][column] = (int)(next() >> 24);
            right[row][column] = (int)(next() >> 24);
        }
    for (row = 0; row < SIDE; row++)
        for (column = 0; column < SIDE; column++) {
            int sum = 0;

            for (k = 0; k < SIDE; k++)
                sum += left[row][k] * right[k][column];
            product[row][column] = sum;
        }
    return (unsigned)product[SIDE / 2][SIDE / 3];
}

/* Words of a text in capitals, turned round, compared with each that stood before it. */
static unsigned strings(void)
{
    static char words[200][16];
    unsigned count, n, same = 0;

    for (count = 0; count < 200; count++) {
        unsigned length = 3 + (next() >> 16) % 8;
        char *word = words[count];

        for (n = 0; n < length; n++)
            word[n] = (char)('a' + (next() >> 16) % 3);
        word[length] = 0;
        for (n = 0; word[n]; n++)
            if (word[n] >= 'a' && word[n] <= 'z')
                word[n] -= 32;
        for (n = 0; n < length / 2; n++) {
            char kept = word[n];

            word[n] = word[length - 1 - n];
            word[length - 1 - n] = kept;
        }
        for (n = 0; n < count; n++) {
            const char *a = word, *b = words[n];

            while (*a && *a == *b)
                a++, b++;
            same += *a == *b;
        }
    }
    return same;
}

int main(int count, char **words)
{
    volatile unsigned result = 0;
    int round;

    for (round = count < 2 ? 1 : atoi(words[1]); round > 0; round--)
        result += WORK();
    return 0;
}
