"""A CronJob for each job. The image, the plan and the keys are the cluster's own affair: names are suggested."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from haechi.documents.timers._base import About, Job, numbered
from haechi.schedule import foreign

_JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: haechi-{name}
spec:
  schedule: {when}
  timeZone: {zone}
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: haechi
              image: haechi
              command: {command}
              envFrom:
                - secretRef: {{ name: haechi }}
              volumeMounts:
                - {{ name: plan, mountPath: /etc/haechi, readOnly: true }}
                - {{ name: state, mountPath: /var/lib/haechi }}
          volumes:
            - name: plan
              configMap: {{ name: haechi-plan }}
            - name: state
              persistentVolumeClaim: {{ claimName: haechi-state }}
"""


def written(jobs: Sequence[Job], about: About) -> Mapping[str, str]:
    documents = []
    for name, job in numbered(jobs):
        for number, fires in enumerate(foreign.cron(job.schedule, about.zone), 1):
            line = about.command(job, exact=fires.exact).replace(about.plan, "/etc/haechi/haechi.toml")
            line = line.replace(about.program, "haechi")
            documents.append(
                _JOB.format(
                    name=name if number == 1 else f"{name}-{number}",
                    when=json.dumps(fires.when),
                    zone=json.dumps(str(job.schedule.zone or about.zone)),
                    command=json.dumps(["sh", "-c", line], ensure_ascii=False),
                )
            )
    return {"haechi-cronjobs.yaml": "---\n".join(documents)}
