"""Every field of Spark's applications that is known here: one that is not among them can't be judged. Called by `workloads`."""

from __future__ import annotations

__all__ = ["SPARK_APP", "SPARK_POD"]


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPARK_POD = _fields(
    "template cores coreLimit memory memoryOverhead memoryLimit gpu image configMaps secrets env envVars envFrom envSecretKeyRefs labels "
    "annotations volumeMounts affinity tolerations podSecurityContext securityContext schedulerName sidecars initContainers hostNetwork "
    "nodeSelector dnsConfig terminationGracePeriodSeconds serviceAccount hostAliases shareProcessNamespace runtimeClassName podName "
    "coreRequest javaOptions lifecycle kubernetesMaster serviceAnnotations serviceLabels ports priorityClassName instances "
    "deleteOnTermination"
)
"""Fields of `driver` and `executor` (sparkoperator.k8s.io/v1beta2)."""

SPARK_APP = _fields(
    "type sparkVersion mode proxyUser image imagePullPolicy imagePullSecrets mainClass mainApplicationFile arguments sparkConf hadoopConf "
    "sparkConfigMap hadoopConfigMap volumes driver executor deps restartPolicy nodeSelector failureRetries retryInterval pythonVersion "
    "memoryOverheadFactor monitoring batchScheduler timeToLiveSeconds batchSchedulerOptions sparkUIOptions driverIngressOptions "
    "dynamicAllocation suspend"
)
"""Fields of a SparkApplication's spec."""
