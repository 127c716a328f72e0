"""What comes before any configuration is read: own code first, and the files and arguments as they are written."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Own code first, here and in every job: another checkout's package may be installed, or lie on PYTHONPATH.
ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))
PLACES = [str(ROOT / "scripts"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ |= {"PYTHONPATH": os.pathsep.join(PLACES)}

from workflow.core import command
from workflow.core.configuration import ConfigError

# The jobs of a run get what it has read.
if workflow.is_main_process:
    try:
        command.check(sys.argv[1:], workflow.overwrite_configfiles, workflow.config_settings.config_args or ())
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
