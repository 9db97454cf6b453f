;; Counts the bits in which binary codes differ from one code: the Hamming distances of a block of codes.
;; hamming.wasm is this file, compiled. hamming.ts loads it, and has the same in TypeScript.
;;
;; The memory, which the caller fills:
;;      0  the code to compare with, at most 128 bytes
;;    128  the distances, 2 bytes each, at most 256: the result
;;  1,024  the codes, one after the other
(module
  (memory (export "memory") 1)

  ;; $count: how many codes; $bytes: bytes of each, a multiple of 16, at most 128
  (func (export "measure") (param $count i32) (param $bytes i32)
    (local $code i32)
    (local $distance i32)
    (local $end i32)
    (local $at i32)
    (local $bits v128)
    (local.set $code (i32.const 1024))
    (local.set $distance (i32.const 128))
    (local.set $end (i32.add (i32.const 128) (i32.shl (local.get $count) (i32.const 1))))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $distance) (local.get $end)))
        ;; 16 sums of a byte each, of at most 8 bits from each of 8 steps.
        (local.set $bits (v128.const i64x2 0 0))
        (local.set $at (i32.const 0))
        (loop $step
          (local.set $bits
            (i8x16.add
              (local.get $bits)
              (i8x16.popcnt
                (v128.xor (v128.load (local.get $at)) (v128.load (i32.add (local.get $code) (local.get $at)))))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $step (i32.lt_u (local.get $at) (local.get $bytes))))
        ;; The 16 sums become 8, and the 8 become 4.
        (local.set $bits (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $bits))))
        (i32.store16
          (local.get $distance)
          (i32.add
            (i32.add (i32x4.extract_lane 0 (local.get $bits)) (i32x4.extract_lane 1 (local.get $bits)))
            (i32.add (i32x4.extract_lane 2 (local.get $bits)) (i32x4.extract_lane 3 (local.get $bits)))))
        (local.set $code (i32.add (local.get $code) (local.get $bytes)))
        (local.set $distance (i32.add (local.get $distance) (i32.const 2)))
        (br $each)))))
