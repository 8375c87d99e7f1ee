-- Environment module (Lmod) of a checkout with its .venv:
--   module use /software/halfmap/hpc/modules
--   module load halfmap
-- What a site may want to change stands at the top.

local launcher = "mpirun"  -- or "srun --mpi=pmix", "srun --mpi=pmi2": see docs/cluster.md
local mpi = nil            -- module of the cluster's own MPI, such as "OpenMPI/5.0.8"
local home = myFileName():match("^(.*)/hpc/modules/")
local venv = pathJoin(home, ".venv")

whatis("Name: halfmap")
whatis("Version: " .. myModuleVersion())
whatis("Description: gold-standard cryo-EM refinement on MPI ranks")
help([[
halfmap doctor says whether this machine is fit for a run.
Jobs: sbatch $HALFMAP_HOME/slurm/many_nodes.sbatch $HALFMAP_HOME/configs/autorefine.yaml --i ... --o ...
]])

conflict("halfmap")
if mpi then
    depends_on(mpi)
end
prepend_path("PATH", pathJoin(venv, "bin"))
setenv("HALFMAP_HOME", home)
setenv("HALFMAP_VENV", venv)
setenv("HALFMAP_LAUNCHER", launcher)
