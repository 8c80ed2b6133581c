# Read by the scripts that train, in the repository's root: sets $python to that of training/.venv, with what it needs.
[ -d training/.venv ] || python3 -m venv training/.venv
python=training/.venv/bin/python
$python -m pip install -q -r training/requirements.txt
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
