"""`python -m tests.proofs`. A module of this name is not run again in each process that a proof starts."""

import sys

from tests.proofs.run import main

sys.exit(main())
