#!/usr/bin/env bash
# Makes spoken-question.pcm beside this script: one question, 24 kHz, mono, signed 16-bit little endian, no header; what a Realtime
# session takes as `pcm16`. Needs `espeak-ng` and `sox`. Versions of espeak-ng differ in a few samples, so the file is kept, not made by
# the tests. Silence at both ends is cut: whoever wants voice detection to find the end adds a second of zeros.
set -euo pipefail
cd "$(dirname "$0")"
espeak-ng -v en-us -s 165 --stdout "What is the weather like today?" |
    sox -D -t wav - -r 24000 -c 1 -b 16 -e signed-integer -L -t raw spoken-question.pcm \
        silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse gain -n -3
